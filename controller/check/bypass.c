/*
 * bypass: what can walk round the policies.
 *
 * The rules stand in the host's network namespace. So they hold for what has to pass there, as long as nobody who may
 * change that namespace wants otherwise: whoever is root on the host is beyond them.
 */
#include "bypass.h"

#include <string.h>

#include "quaywall/mem.h"

static const struct check checks[] = {
	{"bridge-filter-off", "bypass", CHECK_HIGH,
	 "what containers of one bridge send one another passes no rule",
	 "Within a bridge packets come to the rules by the kernel's br_netfilter alone; without it only the binding of addresses holds.",
	 "Linux: Documentation/networking/ip-sysctl.rst, bridge-nf-call-iptables"},
	{"capability-host", "bypass", CHECK_HIGH,
	 "a capability makes a container's root the host's",
	 "Who is root on the host changes or removes whatever rules there are.", "capabilities(7)"},
	{"capability-net-admin", "bypass", CHECK_MEDIUM, "a container may change its own network",
	 "It gives itself other addresses, interfaces and tunnels, and takes the engine's rules out of its namespace.",
	 "capabilities(7)"},
	{"container-privileged", "bypass", CHECK_HIGH, "a container is privileged",
	 "It has every capability and every device: its root is the host's.",
	 "Docker: docker container run, --privileged"},
	{"device-host", "bypass", CHECK_HIGH, "a device makes a container's root the host's",
	 "Who reads and writes a host's disk or memory reads and writes what runs there.", NULL},
	{"device-tunnel", "bypass", CHECK_LOW,
	 "a container has the device that tunnels are made with",
	 "The policies see what goes through a tunnel as one flow to its far end.", NULL},
	{"engine-firewall-off", "bypass", CHECK_HIGH, "the engine makes no firewall rules",
	 "Nothing but quaywall's policies keeps a neighbour with a route from every port of every container, and networks apart.",
	 "Docker: Packet filtering and firewalls, Prevent Docker from manipulating firewall rules"},
	{"engine-other", "bypass", CHECK_MEDIUM, "another engine's containers are not governed",
	 "quaywall follows one engine: what others start is no container to it.", NULL},
	{"engine-socket", "bypass", CHECK_HIGH, "a container has the engine's socket",
	 "Who may talk to the engine starts a privileged container.",
	 "Docker: Docker daemon attack surface"},
	{"forwarding-off", "bypass", CHECK_LOW, "the host forwards nothing",
	 "What still reaches a container is relayed by docker-proxy and comes from the host's address.",
	 NULL},
	{"host-network", "bypass", CHECK_HIGH, "a container uses the host's network",
	 "It cannot be told from the host: no policy holds for it, and services on 127.0.0.1 are its own.",
	 "Docker: Host network driver"},
	{"host-pid", "bypass", CHECK_HIGH, "a container sees the host's processes",
	 "It reads their environment and ends them, and as root goes by /proc into their files and namespaces.",
	 "Docker: docker container run, --pid"},
	{"iptables-legacy", "bypass", CHECK_LOW, "two kinds of iptables have tables",
	 "Both filter, and each tool shows one of them: what somebody believes is in force may be half of it.",
	 "iptables-legacy(8), xtables-nft(8)"},
	{"network-ungoverned", "bypass", CHECK_MEDIUM,
	 "a network's packets do not pass the host's hooks",
	 "Of what its containers send and receive there quaywall sees nothing.", NULL},
	{"raw-sockets", "bypass", CHECK_MEDIUM, "containers may send from one another's addresses",
	 "Policies know containers by their addresses: who sends from another one's is taken for that one.",
	 "capabilities(7)"},
	{"route-localnet", "bypass", CHECK_MEDIUM, "packets for 127.0.0.0/8 are taken from outside",
	 "Services that listen on 127.0.0.1 alone, because that is safe, are reached by whoever sends there.",
	 "Linux: Documentation/networking/ip-sysctl.rst, route_localnet"},
	{"tool-flowtable", "bypass", CHECK_HIGH, "another tool has a flowtable",
	 "Packets of a flow that was offloaded pass no forward hook: a policy that is changed does not end it.",
	 "Linux: Documentation/networking/nf_flowtable.rst"},
	{"tool-rules", "bypass", CHECK_LOW, "another tool's rules come before quaywall's",
	 "They can change what a packet looks like, or where it goes, before a policy judges it.",
	 "nft(8)"},
};

static void tell_gaps(const struct check_input *in, struct check_report *ret)
{
	static const struct {
		const char *part, *ids;
	} parts[] = {
		{"engine", BYPASS_OF_CONTAINERS}, {"containers", BYPASS_OF_CONTAINERS},
		{"host", BYPASS_OF_HOST},	  {"nftables", BYPASS_OF_TABLES},
		{"iptables", BYPASS_OF_TABLES},	  {"programs", BYPASS_OF_PROGRAMS},
		{"owners", BYPASS_OF_PROGRAMS},	  {"config", "engine-firewall-off"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		posture_tell_gaps(in->posture, parts[i].part, "bypass", parts[i].ids, ret);
}

static void run(const struct check_input *in, struct check_report *ret)
{
	tell_gaps(in, ret);
	bypass_containers(in, ret);
	bypass_networks(in, ret);
	bypass_host(in, ret);
	bypass_tools(in, ret);
}

const struct check_group bypass_group = {"bypass", checks, ARRAY_SIZE(checks), run};
