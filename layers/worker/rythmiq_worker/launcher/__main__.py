"""`python -m rythmiq_worker.launcher`, the same as `rythmiq-launch`."""

import sys

from rythmiq_worker.launcher import main

sys.exit(main())
