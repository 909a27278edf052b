"""Write `network-policy.yaml`: attempts may call the store and the API, at their addresses, and nobody else.

    .venv/bin/python infra/kubernetes/egress.py STORE_HOST API_HOST [NAMESPACE] > infra/kubernetes/network-policy.yaml

Each host, a name or an address, is resolved once, and each address that it has becomes one rule. Addresses inside
(private, link-local, and those of NAT64, which would lead there) are refused: write such a rule by hand. Addresses
change: run it again when an attempt ends with 75, or daily. Where the network plugin is Cilium, `cilium/egress.yaml`
holds names instead.
"""

import ipaddress
import socket
import sys
from collections.abc import Iterator, Sequence

from rythmiq.contracts.origins import is_reachable

_HEAD = """\
# Attempts are called by nobody, and call names, the store and the API, at the addresses that they had when egress.py
# wrote this; nothing inside the cluster, not the node's metadata, no NAT64 address (64:ff9b::/96). It takes a network
# plugin that enforces policies. The addresses here are examples, which lead nowhere: until egress.py has put yours in
# their place every attempt ends with 75.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: rythmiq-worker
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: rythmiq
spec:
  podSelector: {{}}
  policyTypes: [Ingress, Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
      ports:
        - protocol: UDP
          port: 53
        - protocol: TCP
          port: 53
    - to:
"""
_BLOCK = """\
        - ipBlock:
            cidr: {cidr}
"""
_TAIL = """\
      ports:
        - protocol: TCP
          port: 443
"""
EXAMPLES = ("192.0.2.10", "192.0.2.20")  # RFC 5737: of documentation, and nobody's


def policy(addresses: Sequence[str], *, namespace: str = "rythmiq") -> str:
    """The manifest that lets attempts out to these addresses alone."""
    found = sorted({ipaddress.ip_address(address) for address in addresses}, key=lambda one: (one.version, int(one)))
    blocks = "".join(_BLOCK.format(cidr=ipaddress.ip_network(address)) for address in found)
    return _HEAD.format(namespace=namespace) + blocks + _TAIL


def public(hosts: Sequence[str]) -> Iterator[str]:
    """Every address of every host.

    Raises:
        SystemExit: a host has none, or one that is not public.
    """
    for host in hosts:
        try:
            answers = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
        except OSError:
            raise SystemExit(f"{host} has no address") from None
        for address in {str(answer[4][0]) for answer in answers}:
            if not is_reachable(address):
                raise SystemExit(f"{host} has the address {address}, which is not public: write its rule by hand")
            yield address


def main(arguments: Sequence[str]) -> None:
    """Print the manifest of a store's and an API's host."""
    if not 2 <= len(arguments) <= 3:  # noqa: PLR2004  two hosts and a namespace
        raise SystemExit(__doc__)
    hosts, namespace = arguments[:2], (*arguments[2:], "rythmiq")[0]
    sys.stdout.write(policy(list(public(hosts)), namespace=namespace))


if __name__ == "__main__":
    main(sys.argv[1:])
