"""From where does a request come, when a proxy stands in front?

A proxy on the way is believed about who asked it, nobody else is. Without this, all partners behind one proxy would
share its address: the wrong keys of one would lock out the others, and the access log would name the proxy.
"""

from ipaddress import ip_address

from falcon import Request, Response


class Proxies:
    """Puts the client's address in the place of a trusted proxy's, from the end of `X-Forwarded-For`.

    trusted: addresses of proxies. What a client itself wrote into the header stands further to the left.
    """

    def __init__(self, trusted: str) -> None:
        self._trusted = frozenset(address.strip() for address in trusted.split(","))

    def process_request(self, req: Request, _resp: Response) -> None:
        """Find out who asked the proxy."""
        forwarded = req.get_header("X-Forwarded-For")
        if forwarded is None:
            return
        hops = [hop.strip() for hop in forwarded.split(",")]
        while req.remote_addr in self._trusted and hops and _is_address(hops[-1]):
            req.env["REMOTE_ADDR"] = hops.pop()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
