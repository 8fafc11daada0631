"""The machines around an engine's host: one namespace that is outside, joined by two veth pairs."""

from .space import Space, run

# On the host's side .1 and ::1, outside .2 and .3: documentation's own blocks, RFC 5737 and 3849.
LAN4, LAN6 = "192.0.2.", "2001:db8:1::"
VPN4, VPN6 = "198.51.100.", "2001:db8:2::"


class Lan:
    """`lan0` and `vpn0` on both sides. Outside has routes to the containers through the host."""

    name = "outside"

    def __init__(self, host: Space, outside: Space) -> None:
        self.host = host
        self.outside = outside
        self.netns = outside.netns
        self.host4, self.host6 = LAN4 + "1", LAN6 + "1"
        self.addr4, self.addr6 = LAN4 + "2", LAN6 + "2"
        self.other4, self.other6 = LAN4 + "3", LAN6 + "3"
        self.vpn_host4, self.vpn_host6 = VPN4 + "1", VPN6 + "1"
        self.vpn4, self.vpn6 = VPN4 + "2", VPN6 + "2"
        for device, net4, net6 in (("lan0", LAN4, LAN6), ("vpn0", VPN4, VPN6)):
            self._join(device, net4, net6)
        for route in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"):
            outside.net("ip", "route", "add", route, "via", self.host4, "src", self.addr4)
        outside.net("ip", "-6", "route", "add", "fd00::/8", "via", self.host6, "src", self.addr6)

    def _join(self, device: str, net4: str, net6: str) -> None:
        """The pair is born in the two namespaces, so that the machine's own never sees it."""
        peer = ["peer", "name", device, "netns", str(self.outside.pid)]
        self.host.net("ip", "link", "add", device, "type", "veth", *peer)
        for space, numbers in ((self.host, "1"), (self.outside, "23")):
            for n in numbers:
                space.net("ip", "addr", "add", f"{net4}{n}/24", "dev", device)
                space.net("ip", "addr", "add", f"{net6}{n}/64", "dev", device, "nodad")
            space.net("ip", "link", "set", device, "up")

    def loopback_route(self) -> str:
        """The address by which outside sends packets for 127.0.0.1 to the host, as a neighbour can who
        wants its loopback ports. They are rewritten on their way out, and the answers on their way in:
        a route to 127.0.0.1 would do for the first packet, but its answers are martians."""
        addr = LAN4 + "127"
        self.outside.net("ip", "route", "replace", addr, "via", self.host4)
        rules = f"""
            table ip loopback
            delete table ip loopback
            table ip loopback {{
                chain out {{
                    type filter hook postrouting priority 300
                    ip daddr {addr} ip daddr set 127.0.0.1
                }}
                chain in {{
                    type filter hook prerouting priority -400
                    iifname lan0 ip saddr 127.0.0.1 ip saddr set {addr}
                }}
            }}
        """
        run(self.outside.net_argv("nft", "-f", "-"), stdin=rules.encode())
        return addr
