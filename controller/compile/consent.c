#include "compile-internal.h"

static void print_place(const struct policy_where *where, const char *name, struct buf *out)
{
	buf_printf(out, "%s:%u", where->file, where->line);
	if (name)
		buf_printf(out, " %s", name);
}

void compile_consent_where(const struct flow_consent *consent, struct buf *out)
{
	if (consent->rule)
		print_place(&consent->rule->where, consent->rule->name, out);
	else if (consent->document)
		print_place(&consent->document->where, NULL, out);
	else if (consent->setting)
		buf_str(out, consent->setting);
}

static void print_reason(const struct flow_consent *consent, bool egress, struct buf *out)
{
	const char *policy = consent->document ? consent->document->name : "";
	const char *direction = egress ? "egress" : "ingress";

	switch (consent->reason) {
	case REASON_NOT_JUDGED:
		buf_str(out, "not judged");
		break;
	case REASON_NOT_ISOLATED:
		buf_printf(out, "nothing isolates %s", direction);
		break;
	case REASON_ALLOW_RULE:
		buf_printf(out, "%s allows it%s", policy,
			   consent->limited ? " within its limit" : "");
		break;
	case REASON_PUBLISH_RULE:
		buf_printf(out, "%s publishes the port%s", policy,
			   consent->limited ? " within its limit" : "");
		break;
	case REASON_DENY_RULE:
		buf_printf(out, "%s denies it", policy);
		break;
	case REASON_ISOLATED:
		buf_printf(out, "%s isolates %s and no rule allows it", policy, direction);
		break;
	case REASON_DEFAULT:
		buf_str(out, "the default refuses and no rule allows it");
		break;
	case REASON_UNKNOWN:
		buf_str(out, "no known endpoint of the network holds the address");
		break;
	case REASON_NOT_PUBLISHED:
		buf_printf(out, "%s restricts published ports and no publish rule names it",
			   policy);
		break;
	case REASON_HOST:
		buf_str(out, "the host reaches its containers");
		break;
	}
}

void compile_consent_print(const struct flow_consent *consent, bool egress, struct buf *out)
{
	CLEANUP_BUF struct buf where = BUF_INIT;

	print_reason(consent, egress, out);
	compile_consent_where(consent, &where);
	if (where.len)
		buf_printf(out, " (%s)", where.data);
}
