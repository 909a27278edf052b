"""HTTP to what a test has started on this machine, where nothing speaks TLS.

As it comes, httpx reads the certificates of all authorities for each call or client, which is 30 ms of CPU.
"""

from functools import partial

import httpx

Client = partial(httpx.Client, trust_env=False, verify=False)
request = partial(httpx.request, trust_env=False, verify=False)
delete = partial(httpx.delete, trust_env=False, verify=False)
get = partial(httpx.get, trust_env=False, verify=False)
options = partial(httpx.options, trust_env=False, verify=False)
post = partial(httpx.post, trust_env=False, verify=False)
put = partial(httpx.put, trust_env=False, verify=False)
