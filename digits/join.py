"""The verb ``ensemble``: trained checkpoints become one that answers with all of them."""

from __future__ import annotations

from pathlib import Path

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    parser = VerbParser("ensemble", "Join trained checkpoints into one, which every other verb takes.")
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CKPT", help="the members")
    parser.add_argument("--output", type=Path, required=True, help="the checkpoint to write")
    add_trust_option(parser)
    options = parser.parse_args(arguments[1:])
    trust(options.trust)
    join(options.checkpoints, options.output)
    print(f"{len(options.checkpoints)} members · {options.output}")  # noqa: T201 - the command line's own output


def join(checkpoints: list[Path], output: Path) -> None:
    """Write an ensemble of ``checkpoints`` to ``output``, which then needs none of them.

    Its configuration is that of the first member, whose data and split it is tested on. Raises UserError where a file
    is not a checkpoint.
    """
    with heavy_imports():  # not for --help
        import pytorch_lightning as pl

        from digits.models import Ensemble, read_checkpoint
        from digits.training import AtomicCheckpointIO

    if output in checkpoints:
        raise UserError(f"{output} is one of the members; give --output another name")
    model = Ensemble([str(path) for path in checkpoints])
    config = read_checkpoint(checkpoints[0])["digits_config"]
    members = {"class_path": "digits.models.Ensemble", "init_args": {"members": model.hparams["members"]}}
    content = {
        "pytorch-lightning_version": pl.__version__,  # without it Lightning takes the file for an old one
        "epoch": 0,
        "global_step": 0,
        "digits_config": config | {"model": members, "experiment": "ensemble"},
        "hyper_parameters": dict(model.hparams),
        "state_dict": model.state_dict(),
    }
    AtomicCheckpointIO().save_checkpoint(content, output)
