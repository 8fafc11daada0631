#include "parse.h"

/* A tree on one line: texts as they are, plain ones marked with a dot. */
static void show(const struct node *n, struct buf *out)
{
	if (n->kind == NODE_SCALAR) {
		buf_printf(out, "%s%s", n->plain ? "." : "", n->text);
		return;
	}
	buf_char(out, n->kind == NODE_MAPPING ? '{' : '[');
	for (size_t i = 0; i < n->nitems; i++) {
		if (i)
			buf_char(out, ' ');
		show(n->items[i], out);
	}
	buf_char(out, n->kind == NODE_MAPPING ? '}' : ']');
}

static char *read_shown(const char *text, struct policy_problems *p)
{
	CLEANUP_YAML struct yaml_documents d = {0};
	struct buf out = BUF_INIT;

	yaml_read("y", text, strlen(text), p, &d);
	for (size_t i = 0; i < d.len; i++) {
		show(d.items[i], &out);
		buf_char(&out, '\n');
	}
	return buf_steal(&out);
}

/* How many problems TEXT has. */
static size_t count_problems(const char *text)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};

	free(read_shown(text, &p));
	return p.len;
}

static void assert_tree(const char *text, const char *expected)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *shown = read_shown(text, &p);

	assert_string_equal(shown, expected);
	assert_int_equal(p.len, 0);
}

static void assert_refused(const char *text, const char *expected)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_BUF struct buf out = BUF_INIT;

	free(read_shown(text, &p));
	policy_problems_print(&p, &out);
	assert_string_equal(buf_text(&out), expected);
}

static void test_trees(void **state)
{
	(void)state;
	assert_tree("a: b\nc: [d, 'e', \"f\"]\n", "{.a .b .c [.d e f]}\n");
	assert_tree("- {}\n- []\n- |\n  x\n", "[{} [] x\n]\n");
	assert_tree("\xef\xbb\xbf"
		    "a: 1.10\n",
		    "{.a .1.10}\n");
}

static void test_documents(void **state)
{
	(void)state;
	assert_tree("", "");
	assert_tree("# nothing\n---\n# nothing\n---\na\n---\n", ".a\n");
	assert_tree("a\n---\nb\n...\n---\nc\n", ".a\n.b\n.c\n");
	assert_tree("''\n", "\n"); /* written, so a document */
}

static void test_documents_before_a_mistake_stay(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *shown = read_shown("a\n---\n[b\n", &p);

	(void)state;
	assert_string_equal(shown, ".a\n");
	assert_int_equal(p.len, 1);
}

static void test_places(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	const struct node *root = root_of("é: x\nb:\n  - {c: d}\n", &p, &d);
	const struct node *c = root->items[3]->items[0]->items[0];

	(void)state;
	assert_int_equal(root->items[1]->where.line, 1);
	assert_int_equal(root->items[1]->where.column, 4); /* characters, not bytes */
	assert_int_equal(c->where.line, 3);
	assert_int_equal(c->where.column, 6);
	assert_string_equal(c->where.file, "p.yaml");
}

static void test_aliases(void **state)
{
	(void)state;
	assert_tree("a: &x [1, &y {b: c}]\nd: *x\ne: *y\n",
		    "{.a [.1 {.b .c}] .d [.1 {.b .c}] .e {.b .c}}\n");
	assert_tree("[&x 1, *x, &x 2, *x]", "[.1 .1 .2 .2]\n");
	assert_refused("[*x, &x 1]", "y:1:2: error: unknown alias *x (expected an anchor &x before "
				     "it; quotes for a text with \"*\")\n");
	assert_refused(
		"&x 1\n---\n*x\n",
		"y:3:1: error: unknown alias *x (expected an anchor &x before it; quotes for "
		"a text with \"*\")\n");
}

static void test_anchor_bomb(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	buf_str(&text, "- &a0 [lol]\n");
	for (int i = 1; i < 40; i++)
		buf_printf(&text, "- &a%d [*a%d, *a%d, *a%d]\n", i, i - 1, i - 1, i - 1);
	assert_refused(buf_text(&text),
		       "y:9:8: error: the document's aliases expand to over 10000 values (expected "
		       "fewer; this looks like an anchor bomb)\n");
}

static void test_depth(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	for (int i = 0; i < 31; i++)
		buf_char(&text, '[');
	buf_str(&text, "x");
	for (int i = 0; i < 31; i++)
		buf_char(&text, ']');
	assert_int_equal(count_problems(buf_text(&text)), 0);

	CLEANUP_FREE char *deeper = mem_printf("[[%s]]", buf_text(&text));
	assert_refused(deeper, "y:1:33: error: nested over 32 levels (expected less)\n");
	/* By aliases, depth adds up. */
	CLEANUP_FREE char *alias =
		mem_printf("- &a %.*s\n- [*a]\n- [[*a]]\n", 59, buf_text(&text) + 2);
	assert_refused(alias, "y:3:5: error: nested over 32 levels (expected less)\n");
}

static void test_size(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	while (text.len < YAML_DOCUMENT_MAX - 100)
		buf_str(&text,
			"- aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	/* The limit is the document's, not the file's. */
	CLEANUP_FREE char *twice = mem_printf("%s---\n%s", buf_text(&text), buf_text(&text));
	assert_int_equal(count_problems(twice), 0);

	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *longer = mem_printf("%s- %0*d\n", buf_text(&text), 200, 0);
	free(read_shown(longer, &p));
	assert_int_equal(p.len, 1);
	assert_non_null(strstr(p.items[0].text, "over 1 MiB"));
}

static void test_anchors(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	for (int i = 0; i <= YAML_ANCHORS_MAX; i++)
		buf_printf(&text, "- &a%d x\n", i);
	assert_refused(buf_text(&text),
		       "y:1001:3: error: over 1000 anchors in a document (expected fewer)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_documents_before_a_mistake_stay),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_anchor_bomb),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_anchors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
