from model.training.shipping import __doc__, add_arguments, run  # noqa: F401 - the command of this name
