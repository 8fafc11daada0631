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

/* ---- metrics ---- */

static json_int_t number(const json_t *entry, const char *key)
{
	return json_integer_value(json_object_get(entry, key));
}

static const char *text(const json_t *entry, const char *key)
{
	const char *value = json_string_value(json_object_get(entry, key));

	return value ? value : "";
}

static void count_on(json_t *series, const json_t *t)
{
	json_int_t last = number(series, "last");

	json_object_set_new(series, "packets",
			    json_integer(number(series, "packets") + number(t, "packets")));
	json_object_set_new(series, "bytes",
			    json_integer(number(series, "bytes") + number(t, "bytes")));
	json_object_set_new(series, "last",
			    json_integer(last > number(t, "last") ? last : number(t, "last")));
}

/* BY: series by their key; LIST: the same, as they came. */
static void add_series(json_t *by, json_t *list, const struct model_network *network,
		       const json_t *t)
{
	bool stranger = !strcmp(text(t, "kind"), "others");
	const char *peer = stranger || !network ? "" : text(t, "peer");
	const char *kind = stranger ? "stranger" : text(t, "kind");
	bool full = json_array_size(list) >= OVERLAY_SERIES;
	json_t *name = reconcile_json_text(network && !full ? network->name : "");
	CLEANUP_FREE char *key = mem_printf("%s %s %s %s", text(t, "way"), kind, full ? "" : peer,
					    json_string_value(name));
	json_t *series = json_object_get(by, key);

	if (!series) {
		series = json_pack("{s:O, s:s, s:s, s:s}", "network", name, "peer",
				   full ? "" : peer, "direction", text(t, "way"), "kind", kind);
		json_array_append(list, series);
		json_object_set_new(by, key, series);
	}
	json_decref(name);
	count_on(series, t);
}

json_t *overlay_series(const struct model *m, const json_t *traffic)
{
	json_t *by = json_object(), *list = json_array();

	for (size_t i = 0; i < json_array_size(traffic); i++) {
		const json_t *t = json_array_get(traffic, i);

		/* One that only waits to be forgotten, as others have its place. */
		if (number(t, "packets"))
			add_series(by, list, model_network_of_vni(m, (uint32_t)number(t, "vni")),
				   t);
	}
	json_decref(by);
	return list;
}

json_t *overlay_series_now(const struct model *m)
{
	CLEANUP_NFT struct nft *n = NULL;
	CLEANUP_JSON json_t *traffic = NULL;

	if (nft_open(-1, &n, NULL) == 0)
		overlay_traffic(n, time(NULL), &traffic, NULL);
	return overlay_series(m, traffic);
}
