"""`python -m csvkafka`: the documented `main()`, with all settings from the environment."""

from csvkafka.processor import main

if __name__ == "__main__":
    main()
