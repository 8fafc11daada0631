/*
 * inject [-b BATCH] [-d DEVICE] [-f SOURCES:PORTS] DEVICE KEY=VALUE...: UDP packets that come in by DEVICE, which is one end of a veth pair of
 * this network namespace. Each line of standard input is a number of them, and is answered by the nanoseconds of CPU time that
 * each took until the kernel was through with it. With -d the other device drops what comes to it. With -f the XDP program is
 * a firewall, too, before it passes the packet on: it looks up who has the source's MAC and address, both ends, and the flow, in
 * hash maps of so many sources and, for each of them, so many ports.
 *
 *	smac, dmac		where the packets are from and go to; of smac the last four bytes are the source address where
 *				it is left out
 *	saddr, daddr		IPv4 addresses; the first of them where there are several
 *	sport, dport		the same of ports
 *	flows=N			a power of two, at most 65536: so many flows, each as often as the others, in an order that is
 *				always the same and jumps about
 *	sources=N, ports=N	and over so many source addresses and destination ports; the rest differ by their source ports
 *
 * The frames are the kernel's own (BPF_F_TEST_XDP_LIVE_FRAMES): an XDP program, which is run for each, writes the headers anew
 * and passes it on as though DEVICE had received it. There is no socket, no driver and no copy, so that what is measured is
 * the way of the packet from the device's receiving side on, some 40 ns for the frame itself, and 0.1 ms for each burst.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRAME_LEN   64
#define HEADERS_LEN 48 /* rewritten each time; what is behind them is payload */
#define BATCH	    64
#define MULTIPLIER \
	40503 /* odd, so that the multiples of it, modulo a power of two, are all different */

#define AT_SMAC	    6
#define AT_SMAC_END 8 /* its last four bytes */
#define AT_PROTOCOL 23
#define AT_CHECKSUM 24
#define AT_SADDR    26
#define AT_DADDR    30
#define AT_SPORT    34
#define AT_DPORT    36

/* Registers of the program. */
enum {
	R0,
	R1,
	R2,
	R3,
	R4,
	R5,
	R6,
	R7,
	R8,
	R9,
	R10, /* the stack */
};

struct traffic {
	uint8_t frame[FRAME_LEN];
	uint32_t saddr; /* of the first source, in host order as the ports are */
	uint16_t sport, dport;
	uint32_t flows, sources, ports;
	bool own_mac;			     /* given, so that it does not follow the address */
	uint32_t known_sources, known_ports; /* to the firewall; 0: there is none */
};

/* Keys of its maps, in network order, without a gap. */
struct bound_key {
	uint8_t mac[ETH_ALEN];
	uint16_t zero;
	uint32_t addr;
};

struct flow_key {
	uint32_t saddr, daddr;
	uint16_t protocol, dport;
};

struct program {
	struct bpf_insn insns[160];
	size_t len;
};

static void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(3);
}

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* ---- the XDP program ---- */

static void emit(struct program *p, int code, int dst, int src, int off, int32_t imm)
{
	p->insns[p->len++] = (struct bpf_insn) {.code = (uint8_t)code,
						.dst_reg = (uint8_t)(dst & 15),
						.src_reg = (uint8_t)(src & 15),
						.off = (int16_t)off,
						.imm = imm};
}

static void emit_move(struct program *p, int dst, int src)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

/* DST = DST OPERATION OPERAND */
static void emit_compute(struct program *p, int operation, int dst, int32_t operand)
{
	emit(p, BPF_ALU64 | operation | BPF_K, dst, 0, 0, operand);
}

static void emit_add(struct program *p, int dst, int src)
{
	emit(p, BPF_ALU64 | BPF_ADD | BPF_X, dst, src, 0, 0);
}

/* The packet's bytes at OFFSET = REGISTER, in network order; the register is left so. SIZE is BPF_W or BPF_H. */
static void emit_put(struct program *p, int size, int offset, int reg)
{
	emit(p, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0, size == BPF_W ? 32 : 16);
	emit(p, BPF_STX | BPF_MEM | size, R2, reg, offset, 0);
}

/* R2 = the packet, which is as long as it should be */
static void emit_begin(struct program *p)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R2, R1, offsetof(struct xdp_md, data), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R3, R1, offsetof(struct xdp_md, data_end), 0);
	emit_move(p, R4, R2);
	emit_compute(p, BPF_ADD, R4, FRAME_LEN);
	emit(p, BPF_JMP | BPF_JLE | BPF_X, R4, R3, 2, 0);
	emit_compute(p, BPF_MOV, R0, XDP_ABORTED);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_headers(struct program *p, const struct traffic *t)
{
	for (int i = 0; i < HEADERS_LEN; i += 4) {
		int32_t word;

		memcpy(&word, t->frame + i, sizeof(word));
		emit(p, BPF_ST | BPF_MEM | BPF_W, R2, 0, i, word);
	}
}

/* R6 = which flow: the number of packets so far, which the map holds, and which is one more then */
static void emit_choice(struct program *p, const struct traffic *t, int map)
{
	emit(p, BPF_LD | BPF_DW | BPF_IMM, R5, BPF_PSEUDO_MAP_VALUE, 0, map);
	emit(p, 0, 0, 0, 0, 0); /* the other half of the one before: an offset */
	emit(p, BPF_LDX | BPF_MEM | BPF_DW, R6, R5, 0, 0);
	emit_move(p, R7, R6);
	emit_compute(p, BPF_ADD, R7, 1);
	emit(p, BPF_STX | BPF_MEM | BPF_DW, R5, R7, 0, 0);
	emit_compute(p, BPF_MUL, R6, MULTIPLIER);
	emit_compute(p, BPF_AND, R6, (int32_t)t->flows - 1);
}

/* The source address, its MAC, and the sum of the header: R9 */
static void emit_source(struct program *p, const struct traffic *t)
{
	emit_move(p, R7, R6);
	emit_compute(p, BPF_MOD, R7, (int32_t)t->sources);
	emit_compute(p, BPF_ADD, R7, (int32_t)t->saddr);
	emit_move(p, R9, R7);
	emit_compute(p, BPF_RSH, R9, 16);
	emit_compute(p, BPF_AND, R9, 0xffff);
	emit_move(p, R8, R7);
	emit_compute(p, BPF_AND, R8, 0xffff);
	emit_add(p, R9, R8);
	emit_put(p, BPF_W, AT_SADDR, R7);
	if (!t->own_mac)
		emit(p, BPF_STX | BPF_MEM | BPF_W, R2, R7, AT_SMAC_END, 0);
}

static void emit_ports(struct program *p, const struct traffic *t)
{
	emit_move(p, R7, R6);
	emit_compute(p, BPF_DIV, R7, (int32_t)t->sources);
	emit_compute(p, BPF_ADD, R7, t->sport);
	emit_put(p, BPF_H, AT_SPORT, R7);
	emit_compute(p, BPF_MOD, R6, (int32_t)t->ports);
	emit_compute(p, BPF_ADD, R6, t->dport);
	emit_put(p, BPF_H, AT_DPORT, R6);
}

static uint32_t header_sum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	return sum;
}

/* The IPv4 header's, of what R9 holds and of the rest, whose sum is known */
static void emit_checksum(struct program *p, const struct traffic *t)
{
	emit_compute(p, BPF_ADD, R9, (int32_t)header_sum(t->frame + ETH_HLEN));
	for (int i = 0; i < 2; i++) {
		emit_move(p, R8, R9);
		emit_compute(p, BPF_RSH, R8, 16);
		emit_compute(p, BPF_AND, R9, 0xffff);
		emit_add(p, R9, R8);
	}
	emit_compute(p, BPF_XOR, R9, 0xffff);
	emit_put(p, BPF_H, AT_CHECKSUM, R9);
}

/* ---- the firewall ---- */

static int new_map(uint32_t key_size, uint32_t entries)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_HASH,
			       .key_size = key_size,
			       .value_size = sizeof(uint32_t),
			       .max_entries = entries};
	long fd = bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		die("BPF_MAP_CREATE");
	return (int)fd;
}

static void put(int map, const void *key)
{
	uint32_t value = 1;
	union bpf_attr attr = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)key, .value = (uintptr_t)&value};

	if (bpf(BPF_MAP_UPDATE_ELEM, &attr) < 0)
		die("BPF_MAP_UPDATE_ELEM");
}

static uint32_t receiver(const struct traffic *t)
{
	uint32_t daddr;

	memcpy(&daddr, t->frame + AT_DADDR, sizeof(daddr));
	return daddr;
}

static int map_of_bound(const struct traffic *t)
{
	int map = new_map(sizeof(struct bound_key), t->known_sources);

	for (uint32_t i = 0; i < t->known_sources; i++) {
		struct bound_key key = {.addr = htonl(t->saddr + i)};

		memcpy(key.mac, t->frame + ETH_ALEN, ETH_ALEN);
		if (!t->own_mac)
			memcpy(key.mac + 2, &key.addr, sizeof(key.addr));
		put(map, &key);
	}
	return map;
}

static int map_of_ends(const struct traffic *t)
{
	int map = new_map(sizeof(uint32_t), t->known_sources + 1);
	uint32_t daddr = receiver(t);

	put(map, &daddr);
	for (uint32_t i = 0; i < t->known_sources; i++) {
		uint32_t saddr = htonl(t->saddr + i);

		put(map, &saddr);
	}
	return map;
}

static int map_of_flows(const struct traffic *t)
{
	int map = new_map(sizeof(struct flow_key), t->known_sources * t->known_ports);

	for (uint32_t i = 0; i < t->known_sources * t->known_ports; i++) {
		struct flow_key key = {.saddr = htonl(t->saddr + i / t->known_ports),
				       .daddr = receiver(t),
				       .protocol = t->frame[AT_PROTOCOL],
				       .dport = htons((uint16_t)(t->dport + i % t->known_ports))};

		put(map, &key);
	}
	return map;
}

/* The key's bytes at TO = the packet's at FROM */
static void emit_key(struct program *p, int size, int to, int from)
{
	emit(p, BPF_LDX | BPF_MEM | size, R1, R6, from, 0);
	emit(p, BPF_STX | BPF_MEM | size, R10, R1, to, 0);
}

/* Drops the packet where MAP has no such key, which stands at AT on the stack. */
static void emit_look(struct program *p, int map, int at)
{
	emit(p, BPF_LD | BPF_DW | BPF_IMM, R1, BPF_PSEUDO_MAP_FD, 0, map);
	emit(p, 0, 0, 0, 0, 0);
	emit_move(p, R2, R10);
	emit_compute(p, BPF_ADD, R2, at);
	emit(p, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	emit(p, BPF_JMP | BPF_JNE | BPF_K, R0, 0, 2, 0);
	emit_compute(p, BPF_MOV, R0, XDP_DROP);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_bound(struct program *p, const struct traffic *t)
{
	emit_key(p, BPF_W, -12, AT_SMAC);
	emit_key(p, BPF_H, -8, AT_SMAC + 4);
	emit(p, BPF_ST | BPF_MEM | BPF_H, R10, 0, -6, 0);
	emit_key(p, BPF_W, -4, AT_SADDR);
	emit_look(p, map_of_bound(t), -12);
}

static void emit_ends(struct program *p, const struct traffic *t)
{
	int map = map_of_ends(t);

	emit_look(p, map, -4); /* the address of the binding */
	emit_key(p, BPF_W, -4, AT_DADDR);
	emit_look(p, map, -4);
}

static void emit_flow(struct program *p, const struct traffic *t)
{
	emit_key(p, BPF_W, -12, AT_SADDR);
	emit_key(p, BPF_W, -8, AT_DADDR);
	emit(p, BPF_LDX | BPF_MEM | BPF_B, R1, R6, AT_PROTOCOL, 0);
	emit(p, BPF_STX | BPF_MEM | BPF_H, R10, R1, -4, 0);
	emit_key(p, BPF_H, -2, AT_DPORT);
	emit_look(p, map_of_flows(t), -12);
}

/* A call leaves of the registers but R6 to R9. */
static void emit_firewall(struct program *p, const struct traffic *t)
{
	emit_move(p, R6, R2);
	emit_bound(p, t);
	emit_ends(p, t);
	emit_flow(p, t);
}

/* ---- into the kernel ---- */

static int load(const struct program *p)
{
	static char log[16384];
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
			       .insns = (uintptr_t)p->insns,
			       .insn_cnt = (uint32_t)p->len,
			       .license = (uintptr_t) "GPL",
			       .log_buf = (uintptr_t)log,
			       .log_size = sizeof(log),
			       .log_level = 1};
	long fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0) {
		fprintf(stderr, "%s", log);
		die("BPF_PROG_LOAD");
	}
	return (int)fd;
}

static int load_verdict(int verdict)
{
	struct program p = {.len = 0};

	emit_compute(&p, BPF_MOV, R0, verdict);
	emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return load(&p);
}

static int load_traffic(const struct traffic *t)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
	struct program p = {.len = 0};
	long map = bpf(BPF_MAP_CREATE, &attr);

	if (map < 0)
		die("BPF_MAP_CREATE");
	emit_begin(&p);
	emit_headers(&p, t);
	emit_choice(&p, t, (int)map);
	emit_source(&p, t);
	emit_ports(&p, t);
	emit_checksum(&p, t);
	if (t->known_sources)
		emit_firewall(&p, t);
	emit_compute(&p, BPF_MOV, R0, XDP_PASS);
	emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return load(&p);
}

/* ---- the devices ---- */

static unsigned device(const char *name)
{
	unsigned index = if_nametoindex(name);

	if (!index)
		die(name);
	return index;
}

/* A program that does VERDICT with what comes by the device, as long as we live. */
static void attach(unsigned index, int verdict)
{
	union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)load_verdict(verdict),
					       .target_ifindex = index,
					       .attach_type = BPF_XDP}};

	if (bpf(BPF_LINK_CREATE, &attr) < 0)
		die("BPF_LINK_CREATE");
}

static void run(int program, const struct traffic *t, unsigned index, uint32_t packets,
		uint32_t batch)
{
	struct xdp_md context = {.data_end = FRAME_LEN, .ingress_ifindex = index};
	union bpf_attr attr = {.test = {.prog_fd = (uint32_t)program,
					.data_in = (uintptr_t)t->frame,
					.data_size_in = FRAME_LEN,
					.ctx_in = (uintptr_t)&context,
					.ctx_size_in = sizeof(context),
					.repeat = packets,
					.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
					.batch_size = batch}};

	if (bpf(BPF_PROG_TEST_RUN, &attr) < 0)
		die("BPF_PROG_TEST_RUN");
}

static double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- arguments ---- */

static void usage(const char *about)
{
	fprintf(stderr, "inject: %s\n", about);
	exit(2);
}

static uint32_t number(const char *text, uint32_t max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > max)
		usage(text);
	return (uint32_t)n;
}

static void mac(uint8_t *bytes, const char *text)
{
	unsigned b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		usage(text);
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)b[i];
}

static uint32_t address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		usage(text);
	return ntohl(a.s_addr);
}

/* "10000:10" */
static void firewall(struct traffic *t, char *text)
{
	char *ports = strchr(text, ':');

	if (!ports)
		usage(text);
	*ports++ = '\0';
	t->known_sources = number(text, UINT16_MAX);
	t->known_ports = number(ports, UINT16_MAX);
}

/* An UDP datagram without a sum of its own. */
static void begin(struct traffic *t)
{
	static const uint8_t ip[20] = {0x45, 0, 0, FRAME_LEN - ETH_HLEN, 0, 0, 0x40, 0, 64, 17};
	static const uint8_t udp[8] = {0, 0, 0, 0, 0, FRAME_LEN - ETH_HLEN - 20, 0, 0};

	*t = (struct traffic) {.flows = 1, .sources = 1, .ports = 1};
	t->frame[6] = 0x02;
	t->frame[7] = 0x42;
	t->frame[12] = 0x08;
	memcpy(t->frame + ETH_HLEN, ip, sizeof(ip));
	memcpy(t->frame + ETH_HLEN + 20, udp, sizeof(udp));
}

static void set(struct traffic *t, const char *key, const char *value)
{
	if (!strcmp(key, "smac")) {
		mac(t->frame + 6, value);
		t->own_mac = true;
	} else if (!strcmp(key, "dmac")) {
		mac(t->frame, value);
	} else if (!strcmp(key, "saddr")) {
		t->saddr = address(value);
	} else if (!strcmp(key, "daddr")) {
		uint32_t a = htonl(address(value));

		memcpy(t->frame + AT_DADDR, &a, sizeof(a));
	} else if (!strcmp(key, "sport")) {
		t->sport = (uint16_t)number(value, UINT16_MAX);
	} else if (!strcmp(key, "dport")) {
		t->dport = (uint16_t)number(value, UINT16_MAX);
	} else if (!strcmp(key, "flows")) {
		t->flows = number(value, UINT16_MAX + 1);
	} else if (!strcmp(key, "sources")) {
		t->sources = number(value, UINT16_MAX);
	} else if (!strcmp(key, "ports")) {
		t->ports = number(value, UINT16_MAX);
	} else {
		usage(key);
	}
}

static void parse(struct traffic *t, char **argv)
{
	for (; *argv; argv++) {
		char *value = strchr(*argv, '=');

		if (!value)
			usage(*argv);
		*value++ = '\0';
		set(t, *argv, value);
	}
	if (t->flows & (t->flows - 1))
		usage("flows is a power of two");
}

static void answer(int program, const struct traffic *t, unsigned index, uint32_t batch)
{
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		uint32_t packets;
		double before;

		line[strcspn(line, "\n")] = '\0';
		packets = number(line, INT32_MAX);
		before = cpu_time();
		run(program, t, index, packets, batch);
		printf("%.2f\n", (cpu_time() - before) / packets);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct traffic t;
	uint32_t batch = BATCH;
	unsigned index;
	int c;

	begin(&t);
	while ((c = getopt(argc, argv, "b:d:f:")) > 0) {
		if (c == 'b')
			batch = number(optarg, 256);
		else if (c == 'd')
			attach(device(optarg), XDP_DROP);
		else if (c == 'f')
			firewall(&t, optarg);
		else
			return 2;
	}
	if (optind == argc)
		usage("DEVICE KEY=VALUE...");
	index = device(argv[optind]);
	parse(&t, argv + optind + 1);
	attach(index, XDP_PASS);
	answer(load_traffic(&t), &t, index, batch);
	return 0;
}
