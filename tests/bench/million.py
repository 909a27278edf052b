"""The simulation of `scale` with a million jobs: 75 minutes on one core and 8 GB, so it runs when it is named."""

from tests.bench.scale import main

if __name__ == "__main__":
    main(1_000_000)
