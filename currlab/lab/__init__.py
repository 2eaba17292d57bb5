"""The live lab: a training that is steered while it runs."""
