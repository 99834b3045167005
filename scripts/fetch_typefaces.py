"""Fetch the typefaces that composed pages are written and printed in, by npm, with their licences.

    python scripts/fetch_typefaces.py                 into $DIGITS_DATA_DIR/typefaces, else data/typefaces
    python scripts/fetch_typefaces.py --folder faces

Each is a package ``@fontsource/<name>`` under the Open Font Licence, the Apache licence or the like; the licence lies
beside the typeface. Handwriting brings hands that MNIST lacks: ones with a flag, crossed sevens, open fours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from digits.data import default_data_dir

HANDWRITING = (  # noqa: SIM905 - a list of strings would take a page
    "annie-use-your-telescope architects-daughter bad-script balsamiq-sans caveat caveat-brush cedarville-cursive "
    "comic-neue comic-relief covered-by-your-grace dancing-script delicious-handrawn delius gaegu gloria- "
    "hallelujah gochi-hand grandstander handlee homemade-apple indie-flower itim kalam liu-jian-mao-cao long-cang "
    "ma-shan-zheng mansalva marck-script nanum-brush-script nanum-pen-script neucha patrick-hand permanent-marker "
    "playpen-sans poor-story reenie-beanie rock-salt schoolbell shadows-into-light shantell-sans short-stack "
    "sriracha sue-ellen-francisco swanky-and-moo-moo the-girl-next-door yomogi zen-kurenaido zhi-mang-xing"
).split()
PRINT = (  # noqa: SIM905 - a list of strings would take a page
    "alegreya anton arimo arvo bitter courier-prime cousine crimson-text dejavu-sans dm-mono dm-serif-display eb- "
    "garamond fira-sans fira-sans-condensed geist-mono inter inter-tight lato libre-baskerville libre-franklin "
    "lobster lora merriweather montserrat noto-sans noto-serif open-sans oswald overpass-mono pt-sans pt-serif "
    "playfair-display roboto roboto-condensed roboto-mono roboto-slab rubik source-sans-3 special-elite tinos "
    "ubuntu vt323 work-sans"
).split()


def fetch(name: str, target: Path) -> bool:
    """Put one typeface and its licence into ``target``; False where the package holds no Latin letters."""
    if list(target.glob(f"{name}.*")):
        return True
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"@fontsource/{name}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            inside = {Path(member.name).name: member for member in files.getmembers() if member.isfile()}
            face = inside.get(f"{name}-latin-400-normal.woff")
            if face is None:
                return False
            for member, suffix in ((face, ".woff"), (inside.get("LICENSE"), ".LICENSE.txt")):
                content = files.extractfile(member) if member else None
                if content is not None:
                    (target / f"{name}{suffix}").write_bytes(content.read())
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=default_data_dir() / "typefaces")
    folder = parser.parse_args().folder
    for kind, names in (("handwriting", HANDWRITING), ("print", PRINT)):
        target = folder / kind
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                has_letters = fetch(name, target)
            except (OSError, subprocess.CalledProcessError) as error:
                sys.exit(f"cannot fetch {name} with npm: {error}")
            if not has_letters:
                print(f"{name}: no Latin letters in the package, left out")
    print(f"{len(list(folder.glob('*/*.woff')))} typefaces in {folder}")


if __name__ == "__main__":
    main()
