import digits


def test_fit_takes_a_recipe_and_overrides_and_returns_the_run():
    run = digits.fit("mlp", data={"source": "uci"}, report=False, **{"trainer.max_epochs": 1})
    assert isinstance(run, digits.Run)
    assert run.is_finished
    assert run.config["trainer"]["max_epochs"] == 1
    assert run.figures["data"]["source"] == "uci"
    assert run.folder.parent.name == "mlp"


def test_fit_takes_a_dictionary_and_resumes():
    config = {
        "model": {"class_path": "digits.models.MLP", "init_args": {"hidden": [8]}},
        "data": {"source": "uci"},
        "trainer": {"max_epochs": 1, "enable_progress_bar": False},
        "report": False,
    }
    run = digits.fit(config)
    again = digits.fit(config, ckpt_path=str(run.last), trainer={"max_epochs": 2})
    assert again.folder.resolve() == run.folder.resolve()
    assert len(again.curves) == 2
