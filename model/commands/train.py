from model.training.command import __doc__, add_arguments, run  # noqa: F401 - the command of this name
