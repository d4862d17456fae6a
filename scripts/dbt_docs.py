"""Write dbt's pages of a home, given as the one argument, and say where they are."""

import sys
from pathlib import Path

from meterhouse.errors import MeterhouseError
from meterhouse.lake import Lake
from meterhouse.run.documentation import write_pages
from meterhouse.settings import Settings


def main() -> None:
    """Write them; a home that was not billed yet ends in a sentence."""
    try:
        page = write_pages(Lake(Settings.load(Path(sys.argv[1]))))
    except MeterhouseError as error:
        sys.exit(f"{error}\nFor the demo: `make demo`, then `make docs` again.")
    sys.stdout.write(f"Open {page} in a browser; it needs no server.\n")


if __name__ == "__main__":
    main()
