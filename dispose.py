"""The command line from any folder and with any Python: python path/to/dispose.py --help

Does the same as `python -m dispose_core` in this folder, which the Python of ComfyUI's Windows
package cannot find.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from dispose_core.cli import main

    sys.exit(main())
