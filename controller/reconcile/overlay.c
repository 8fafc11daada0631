#include "overlay.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/addr.h"
#include "quaywall/compile.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"

#define KEPT_MS (UINT64_C(1000) * COMPILE_OVERLAY_KEPT)

struct listing {
	json_t *list;
	char way[8], kind[8];
	uint8_t family;
	time_t now;
};

/* The identifier, padded to 4 bytes, then the peer's address. */
static void add(const struct nft_element *e, void *data)
{
	struct listing *l = data;
	struct addr peer = {.family = l->family};
	uint64_t ago = e->expires && e->expires < KEPT_MS ? (KEPT_MS - e->expires) / 1000 : 0;
	char text[ADDR_TEXT_SIZE];

	if (e->len != 4 + addr_size(l->family))
		return;
	memcpy(peer.bytes, e->key + 4, addr_size(l->family));
	json_array_append_new(
		l->list,
		json_pack("{s:s, s:s, s:i, s:s, s:I, s:I, s:I}", "way", l->way, "kind", l->kind,
			  "vni", e->key[0] << 16 | e->key[1] << 8 | e->key[2], "peer",
			  addr_format(&peer, text), "packets", (json_int_t)e->packets, "bytes",
			  (json_int_t)e->bytes, "last", (json_int_t)l->now - (json_int_t)ago));
}

/* "overlay_in_clear4" */
static void read_name(const char *name, struct listing *l)
{
	const char *way = name + strlen("overlay_"), *kind = strchr(way, '_') + 1;

	snprintf(l->way, sizeof(l->way), "%.*s", (int)(kind - way - 1), way);
	snprintf(l->kind, sizeof(l->kind), "%.*s", (int)strlen(kind) - 1, kind);
	l->family = kind[strlen(kind) - 1] == '6' ? AF_INET6 : AF_INET;
}

int overlay_traffic(struct nft *n, time_t now, json_t **ret, struct error *err)
{
	struct listing l = {.list = json_array(), .now = now};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COMPILE_OVERLAY_SETS; i++) {
		read_name(compile_overlay_sets[i], &l);
		r = nft_elements(n, QUAYWALL_TABLE, NFPROTO_INET, compile_overlay_sets[i], add, &l,
				 err);
	}
	if (r < 0) {
		json_decref(l.list);
		return r;
	}
	*ret = l.list;
	return 0;
}

void reconcile_overlay_traffic(json_t *host)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_NFT struct nft *n = NULL;
	json_t *traffic = NULL;
	int r = nft_open(-1, &n, &err);

	if (r == 0)
		r = overlay_traffic(n, time(NULL), &traffic, &err);
	if (r == 0)
		json_object_set_new(json_object_get(host, "overlay"), "traffic", traffic);
	else
		json_array_append_new(json_object_get(host, "gaps"),
				      json_pack("{s:s, s:o}", "part", "overlay", "why",
						reconcile_json_text(error_text(&err))));
}
