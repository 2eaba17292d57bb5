PREFIX = "gym:"
