"""`python -m currlab`, which is also how torchrun starts the command on several processes."""

from currlab.cli import main

if __name__ == "__main__":
    main()
