/* What a policy may be and what its answers mean: places of compile errors, every kind of answer,
 * budgets, reference values, time, several threads. */
#include "tests/support/support.h"

#include <pthread.h>

#include "shared/policy/policy.h"
#include "tests/unit/shared/policy/query.h"

static struct vd_policy *compiled(enum vd_policy_kind kind, const char *rego)
{
    struct vd_policy *p = NULL;
    vd_err err = { 0 };
    if (vd_policy_compile_in(test_workers, kind, vd_span_str(rego), &test_limits, &p, &err).code !=
        VD_E_OK)
        fail_msg("%s: %s", rego, err.msg);
    return p;
}

static const struct {
    const char *name;
    const char *rego;
    uint32_t line;
    uint32_t column;
} malformed[] = {
    { "empty", "", 1, 1 },
    { "no package", "allow := true\n", 1, 1 },
    { "not Rego", "package policy\n\nallow := ]\n", 3, 10 },
    { "v0 body without if", "package policy\ndefault allow = false\nallow { true }\n", 3, 7 },
    { "string without end", "package policy\nallow := \"x\n", 2, 12 },
    { "not UTF-8", "package policy\nx := \"\xff\"\n", 2, 7 },
    { "parentheses too deep", "package policy\nx := (((((((((((((((((((((((((((((((((1\n", 2, 38 },
};

static void a_malformed_policy_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct vd_policy *p = NULL;
        vd_err err = { 0 };
        vd_code rc = vd_policy_compile_in(test_workers, VD_POLICY_RELEASE,
                                          vd_span_str(malformed[i].rego), &test_limits, &p, &err)
                         .code;
        if (rc != VD_E_POLICY_COMPILE || err.text_line != malformed[i].line ||
            err.text_column != malformed[i].column || p)
            fail_msg("%s: %d at %u:%u, %s", malformed[i].name, rc, err.text_line, err.text_column,
                     err.msg);
    }
}

static void a_policy_that_costs_too_much_to_parse_is_refused(void **state)
{
    (void)state;
    vd_buf rego = vd_buf_of(1u << 20);
    vd_buf_str(&rego, "package policy\nx := ");
    for (int i = 0; i < 30; i++)
        vd_buf_str(&rego, "[");
    struct vd_policy *p = NULL;
    vd_err err = { 0 };
    assert_rc(VD_E_POLICY_COMPILE,
              vd_policy_compile_in(test_workers, VD_POLICY_RELEASE, vd_buf_span(&rego),
                                   &test_limits, &p, &err));
    assert_int_equal(err.text_line, 2);

    vd_buf_reset(&rego);
    vd_buf_str(&rego, "package policy\nallow := true #");
    while (rego.n <= test_limits.policy_body)
        vd_buf_str(&rego, "################################");
    assert_rc(VD_E_TOO_LARGE, vd_policy_compile_in(test_workers, VD_POLICY_RELEASE,
                                                   vd_buf_span(&rego), &test_limits, &p, NULL));
    vd_buf_done(&rego);
}

/* NAME stands for each forbidden built-in. */
static const char *const reaching_out[] = {
    "allow if NAME({})",
    "allow if { x := NAME({}); x }",
    "allow if { NAME({}, x); x }",
    "f := NAME",
    "f(x) := NAME(x)\nallow if f({})",
    "allow if is_string({}) with is_string as NAME",
    "mock(x) := 1\nallow if NAME({}) with NAME as mock",
    "x if NAME({})\nallow := true",
    "default allow := true\nallow if { false; NAME({}) }",
    "allow if count([1 | NAME({})]) == 0",
    "allow if not NAME({})",
    "import NAME as f\nallow if f({})",
};

static const char *const forbidden[] = {
    "http.send",
    "opa.runtime",
    "net.lookup_ip_addr",
    "net.cidr_contains",
    "net.cidr_expand",
    "net.cidr_merge",
    "net.cidr_contains_matches",
    "net.cidr_is_valid",
    "net.cidr_overlap",
    "net.cidr_intersects",
    "rand.intn",
    "uuid.rfc4122",
    "test.sleep",
    "__builtin_host_await",
    /* the same, written otherwise */
    "http . send",
    "http[\"send\"]",
    "http[`send`]",
    "http[\"s\\u0065nd\"]",
    "http # x\n.send",
    "http.\n\tsend",
};

static void built_ins_that_reach_out_are_refused_when_the_policy_is_set(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        for (size_t j = 0; j < sizeof reaching_out / sizeof *reaching_out; j++, n++) {
            vd_buf rego = vd_buf_of(4096);
            vd_buf_str(&rego, "package policy\n");
            for (const char *c = reaching_out[j]; *c; c++) {
                bool here = strncmp(c, "NAME", 4) == 0;
                vd_buf_printf(&rego, "%.*s", here ? 64 : 1, here ? forbidden[i] : c);
                c += here ? 3 : 0;
            }
            struct vd_policy *p = NULL;
            vd_err err = { 0 };
            vd_code rc = vd_policy_compile_in(test_workers, VD_POLICY_RELEASE, vd_buf_span(&rego),
                                              &test_limits, &p, &err)
                             .code;
            if (rc != VD_E_POLICY_COMPILE || err.text_line < 2 || !err.text_column || p)
                fail_msg("%s: %d %s", vd_buf_cstr(&rego), rc, err.msg);
            vd_buf_done(&rego);
        }
    }
    print_message("forbidden built-ins: %zu texts\n", n);
    /* a document of that name is only data */
    struct vd_policy *p =
        compiled(VD_POLICY_RELEASE, "package policy\n# http.send\nallow if input.http.send == 1\n");
    struct vd_policy_query q = test_query(VD_LIT("{\"http\":{\"send\":1}}"), NULL);
    assert_ok(vd_policy_allows(p, &q, NULL));
    vd_policy_unref(p);
}

/* Everything that is not the boolean true. */
static const char *const not_true[] = {
    "false",
    "null",
    "0",
    "1",
    "-1",
    "1.0",
    "1e0",
    "2",
    "100000000000000000000",
    "\"\"",
    "\"true\"",
    "\"True\"",
    "\"false\"",
    "\"yes\"",
    "\"1\"",
    "`true`",
    "[]",
    "[true]",
    "[false]",
    "[true, true]",
    "[[true]]",
    "{}",
    "{\"allow\": true}",
    "{\"true\": true}",
    "{true: true}",
    "{true}",
    "{true, false}",
    "set()",
    "{1}",
    "[null]",
    "[\"true\"]",
    "input",
    "data",
    "data.plugin",
    "input.yes",
    "input.text",
    "[x | x := true]",
    "{x | x := true}",
    "{x: x | x := true}",
    "1 == 2",
    "\"a\" == \"b\"",
    "input.missing",
    "to_number(\"1\")",
    "concat(\"\", [\"tr\", \"ue\"])",
};

static void only_the_boolean_true_allows(void **state)
{
    (void)state;
    size_t n = sizeof not_true / sizeof *not_true;
    for (size_t i = 0; i < n; i++) {
        char rego[256];
        (void)snprintf(rego, sizeof rego, "package policy\nallow := %s\n", not_true[i]);
        struct vd_policy *p = compiled(VD_POLICY_RELEASE, rego);
        struct vd_policy_query q = test_query(VD_LIT("{\"yes\":[true],\"text\":\"true\"}"), NULL);
        q.data = VD_LIT("{\"plugin\":\"resource\"}");
        vd_err err = { 0 };
        vd_code rc = vd_policy_allows(p, &q, &err).code;
        if (rc != VD_E_POLICY_DENY && rc != VD_E_POLICY_EVAL)
            fail_msg("%s: %d %s", not_true[i], rc, err.msg);
        vd_policy_unref(p);
    }
    print_message("%zu answers that are not true: none allows\n", n);
    struct vd_policy *p = compiled(VD_POLICY_RELEASE, "package policy\nallow := true\n");
    struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
    assert_ok(vd_policy_allows(p, &q, NULL));
    vd_policy_unref(p);
}

struct answer {
    const char *name;
    const char *rego;
    vd_code want;
};

static const struct answer answers[] = {
    { "no such rule", "package policy\nx := true\n", VD_E_POLICY_DENY },
    { "another package", "package other\nallow := true\n", VD_E_POLICY_DENY },
    { "a package below", "package policy.sub\nallow := true\n", VD_E_POLICY_DENY },
    { "undefined", "package policy\nallow if input.missing\n", VD_E_POLICY_DENY },
    { "assigned from what is missing", "package policy\nallow if { x := input.missing }\n",
      VD_E_POLICY_DENY },
    { "the same twice", "package policy\nallow if { x := input.missing; y := x }\n",
      VD_E_POLICY_DENY },
    { "two values", "package policy\nallow := true\nallow := false\n", VD_E_POLICY_EVAL },
    { "two values behind not", "package policy\nx := 1\nx := 2\nallow if not x == 3\n",
      VD_E_POLICY_EVAL },
    { "a built-in that fails", "package policy\nallow if to_number(\"x\") == 1\n",
      VD_E_POLICY_EVAL },
    { "the same behind not", "package policy\nallow if not to_number(\"x\") == 1\n",
      VD_E_POLICY_EVAL },
    { "a function with two values behind not",
      "package policy\nf(_) := 1\nf(_) := 2\nallow if not f(1) == 3\n", VD_E_POLICY_EVAL },
    { "a loop over a number behind not",
      "package policy\nbad if { some x in 5; x }\nallow if not bad\n", VD_E_POLICY_EVAL },
    { "else behind an empty loop",
      "package policy\nallow := false if { some x in input.none; x } else := true\n", VD_E_OK },
    { "unknown function", "package policy\nallow if nosuch(1)\n", VD_E_POLICY_EVAL },
    { "unknown function that is not reached", "package policy\nallow := true\nx if nosuch(1)\n",
      VD_E_OK },
    { "unknown function behind what fails",
      "package policy\ndefault allow := true\nallow if { false; nosuch(1) }\n", VD_E_OK },
    { "unsafe variable", "package policy\nallow if x > 1\n", VD_E_POLICY_EVAL },
    { "reference values in a release policy",
      "package policy\nallow if query_reference_value(\"x\") == null\n", VD_E_POLICY_EVAL },
    { "time", "package policy\nallow if time.now_ns() == 1767225600000000000\n", VD_E_OK },
    { "time, as a pattern", "package policy\nallow if { time.now_ns(t); t > 0 }\n", VD_E_OK },
    { "print", "package policy\nallow if print(\"x\", input)\n", VD_E_OK },
    { "with", "package policy\nf if input.x == 1\nallow if f with input as {\"x\": 1}\n", VD_E_OK },
    { "keys one by one", "package policy\nt[\"a\"] := 1\nt[\"b\"] := 2\nallow if t.b == 2\n",
      VD_E_OK },
    { "regex, base64, json, time, sprintf",
      "package policy\nallow if { regex.match(`^a+$`, \"aa\"); base64.encode(\"a\") == \"YQ==\"; "
      "json.unmarshal(\"[1]\") == [1]; time.weekday(0) == \"Thursday\"; "
      "sprintf(\"%d\", [1]) == \"1\" }\n",
      VD_E_OK },
    { "nine arguments",
      "package policy\nf(a, b, c, d, e, g, h, i, j) := j\n"
      "allow if f(1, 2, 3, 4, 5, 6, 7, 8, 9) == 9\n",
      VD_E_OK },
    { "default function", "package policy\ndefault f(_) := 3\nallow if f(1) == 3\n", VD_E_OK },
};

static void failures_and_denials_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct vd_policy *p = compiled(VD_POLICY_RELEASE, answers[i].rego);
        struct vd_policy_query q = test_query(VD_LIT("{\"none\":[]}"), NULL);
        vd_err err = { 0 };
        vd_code rc = vd_policy_allows(p, &q, &err).code;
        if (rc != answers[i].want)
            fail_msg("%s: %d %s", answers[i].name, rc, err.msg);
        vd_policy_unref(p);
    }
}

static void a_failure_says_where_and_quotes_no_value(void **state)
{
    (void)state;
    struct vd_policy *p = compiled(VD_POLICY_RELEASE, "package policy\n\nallow if {\n"
                                                      "\tto_number(input.secret) == 1\n}\n");
    struct vd_policy_query q = test_query(VD_LIT("{\"secret\":\"hunter2\"}"), NULL);
    vd_err err = { 0 };
    assert_rc(VD_E_POLICY_EVAL, vd_policy_allows(p, &q, &err));
    assert_int_equal(err.text_line, 4);
    assert_null(strstr(err.msg, "hunter2"));
    vd_policy_unref(p);

    p = compiled(VD_POLICY_RELEASE, "package policy\nallow if x > 1\n");
    assert_non_null(strstr(vd_policy_warning(p, VD_POLICY_ALLOW), "line 2, column 10"));
    vd_policy_unref(p);
}

static const struct answer greedy[] = {
    { "loops", "a := numbers.range(1, 2000)\nallow if { some i in a; some j in a; i + j == 0 }\n",
      VD_E_POLICY_BUDGET },
    { "recursive function", "f(x) := f(x + 1)\nallow if f(1)\n", VD_E_POLICY_BUDGET },
    { "recursive function, interpreted", "f(x) := f(x + 1)\nallow if f(1) with input as {}\n",
      VD_E_POLICY_BUDGET },
    { "mutual recursion, interpreted",
      "f(x) := g(x + 1)\ng(x) := f(x + 1)\nallow if f(1) with input as {}\n", VD_E_POLICY_BUDGET },
    { "loops, interpreted",
      "a := numbers.range(1, 3000)\nb if { some i in a; some j in a; i + j == 0 }\n"
      "allow if b with input as {}\n",
      VD_E_POLICY_BUDGET },
    { "a large range", "allow if count(numbers.range(1, 3000000)) == 0\n", VD_E_POLICY_BUDGET },
    { "a large regular expression", "allow if regex.match(`(a{1000}){1000}`, \"a\")\n",
      VD_E_POLICY_BUDGET },
    { "a large result", "allow := numbers.range(1, 300000)\n", VD_E_POLICY_BUDGET },
};

static void a_greedy_policy_is_stopped(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
        char rego[512];
        (void)snprintf(rego, sizeof rego, "package policy\n%s", greedy[i].rego);
        struct vd_policy *p = compiled(VD_POLICY_RELEASE, rego);
        struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
        vd_err err = { 0 };
        vd_code rc = vd_policy_allows(p, &q, &err).code;
        if (rc != greedy[i].want)
            fail_msg("%s: %d %s", greedy[i].name, rc, err.msg);
        vd_policy_unref(p);
    }
}

/* n rules, each built from the one before; the last is the answer. */
static vd_code chain(const char *step, int n, const char *last)
{
    vd_buf rego = vd_buf_of(1u << 20);
    vd_buf_str(&rego, "package policy\nr0 := [10]\n");
    for (int i = 1; i <= n; i++) {
        vd_buf_printf(&rego, "r%d := ", i);
        for (const char *c = step; *c; c++)
            vd_buf_printf(&rego, *c == '$' ? "r%d" : "%c", *c == '$' ? i - 1 : *c);
        vd_buf_str(&rego, "\n");
    }
    vd_buf_printf(&rego, "allow := %s%d\n", last, n);
    struct vd_policy *p = NULL;
    assert_ok(vd_policy_compile_in(test_workers, VD_POLICY_RELEASE, vd_buf_span(&rego),
                                   &test_limits, &p, NULL));
    struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
    vd_code rc = vd_policy_allows(p, &q, NULL).code;
    vd_policy_unref(p);
    vd_buf_done(&rego);
    return rc;
}

static void results_that_share_their_parts_are_not_written_out(void **state)
{
    (void)state;
    assert_int_equal(chain("[$, $]", 90, "r"), VD_E_POLICY_BUDGET);
    assert_int_equal(chain("[$]", 60, "r"), VD_E_POLICY_BUDGET);
    assert_int_equal(chain("[$]", 20, "r"), VD_E_POLICY_DENY);
}

struct counter {
    vd_jv values;
    size_t calls;
};

static vd_rc counting(void *ctx, vd_span name, vd_buf *ret_json, vd_err *err)
{
    struct counter *c = ctx;
    c->calls++;
    if (vd_span_eq_str(name, "broken"))
        return vd_fail(err, VD_E_STORE, "the store is away");
    return test_lookup(&c->values, name, ret_json, err);
}

static void reference_values_are_asked_for_once_and_null_when_unknown(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "trust_claims := {\"a\": query_reference_value(\"n\"), \"b\": "
        "query_reference_value(\"n\"), "
        "\"c\": query_reference_value(\"none\"), \"d\": query_reference_value(\"list\")}\n",
        /* arithmetic makes the interpreter decide */
        "trust_claims := {\"a\": query_reference_value(\"n\") + 0, \"b\": "
        "query_reference_value(\"n\"), "
        "\"c\": query_reference_value(\"none\"), \"d\": query_reference_value(\"list\")}\n",
        /* `with` makes the interpreter do all of it */
        "x := query_reference_value(\"n\")\ntrust_claims := {\"a\": y, \"b\": x, \"c\": "
        "query_reference_value(\"none\"), \"d\": query_reference_value(\"list\")} if "
        "{ y := x with input as {} }\n",
    };
    struct vd_json *j = test_json(VD_LIT("{\"n\":3,\"list\":[1,{\"k\":\"v\"}]}"));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char rego[1024];
        (void)snprintf(rego, sizeof rego, "package policy\n%s", forms[i]);
        struct vd_policy *p = compiled(VD_POLICY_ATTESTATION, rego);
        assert_int_equal(vd_policy_on_vm(p, VD_POLICY_TRUST_CLAIMS), i == 0);
        struct counter c = { vd_json_root(j), 0 };
        struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
        q.lookup = counting;
        q.ctx = &c;
        vd_buf out = vd_buf_of(4096);
        enum vd_policy_state s = VD_POLICY_ABSENT;
        vd_err err = { 0 };
        if (vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &s, &out, &err).code != VD_E_OK)
            fail_msg("%zu: %s", i, err.msg);
        test_same_json("values", vd_buf_span(&out),
                       VD_LIT("{\"a\":3,\"b\":3,\"c\":null,\"d\":[1,{\"k\":\"v\"}]}"));
        assert_int_equal(c.calls, 3);
        vd_buf_done(&out);
        vd_policy_unref(p);
    }
    vd_json_free(j);
}

static void a_lookup_that_fails_fails_the_evaluation(void **state)
{
    (void)state;
    struct vd_policy *p = compiled(
        VD_POLICY_ATTESTATION,
        "package policy\ntrust_claims := {\"a\": 1} if not query_reference_value(\"broken\")\n");
    struct counter c = { 0 };
    struct vd_policy_query q = test_query(VD_LIT("{}"), NULL);
    vd_buf out = vd_buf_of(4096);
    enum vd_policy_state s = VD_POLICY_ABSENT;
    vd_err err = { 0 };
    assert_rc(VD_E_POLICY_EVAL, vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &s, &out, &err));
    q.lookup = counting;
    q.ctx = &c;
    vd_err_clear(&err);
    assert_rc(VD_E_STORE, vd_policy_eval(p, VD_POLICY_TRUST_CLAIMS, &q, &s, &out, &err));
    assert_int_equal(out.n, 0);
    vd_policy_unref(p);
}

static void documents_that_are_not_json_fail_the_evaluation(void **state)
{
    (void)state;
    struct vd_policy *p = compiled(VD_POLICY_RELEASE, "package policy\ndefault allow := true\n");
    struct vd_policy_query q = test_query(VD_LIT("{"), NULL);
    assert_rc(VD_E_POLICY_EVAL, vd_policy_allows(p, &q, NULL));
    q.input = VD_LIT("{}");
    q.data = VD_LIT("nonsense");
    assert_rc(VD_E_POLICY_EVAL, vd_policy_allows(p, &q, NULL));
    q.data = VD_SPAN_NONE;
    assert_ok(vd_policy_allows(p, &q, NULL));
    vd_policy_unref(p);
}

static void the_digest_is_that_of_the_text(void **state)
{
    (void)state;
    struct vd_policy *p = compiled(VD_POLICY_RELEASE, "package policy\n");
    static const uint8_t want[4] = { 0x89, 0xd0, 0x9c, 0xb5 };
    assert_memory_equal(vd_policy_sha256(p), want, sizeof want);
    struct vd_policy *again = vd_policy_ref(p);
    vd_policy_unref(p);
    assert_memory_equal(vd_policy_sha256(again), want, sizeof want);
    vd_policy_unref(again);
}

struct worker {
    const struct vd_policy *vm;
    const struct vd_policy *interpreted;
    unsigned n;
    bool ok;
    vd_err err;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    char input[64];
    w->ok = true;
    for (unsigned i = 0; i < 200; i++) {
        bool yes = (i + w->n) % 2 == 0;
        (void)snprintf(input, sizeof input, "{\"n\":%u,\"yes\":%s}", w->n, yes ? "true" : "false");
        struct vd_policy_query q = test_query(vd_span_str(input), NULL);
        q.data = vd_span_str(input);
        vd_code want = yes ? VD_E_OK : VD_E_POLICY_DENY;
        vd_code got = vd_policy_allows(w->vm, &q, &w->err).code;
        /* its time is that of the wall, and a busy machine may use it up */
        if (got == want && i % 10 == 0)
            got = vd_policy_allows(w->interpreted, &q, &w->err).code;
        w->ok = w->ok && (got == want || (i % 10 == 0 && got == VD_E_POLICY_BUDGET));
        if (w->ok)
            vd_err_clear(&w->err);
    }
    return NULL;
}

static void many_threads_evaluate_one_policy(void **state)
{
    (void)state;
    struct vd_policy *vm = compiled(
        VD_POLICY_RELEASE, "package policy\nallow if { input.yes == true; data.n == input.n }\n");
    struct vd_policy *interpreted = compiled(
        VD_POLICY_RELEASE, "package policy\nx if input.yes == true\nallow if { x with data.z as 1; "
                           "data.n + 1 == input.n + 1 }\n");
    assert_true(vd_policy_on_vm(vm, 0));
    assert_false(vd_policy_on_vm(interpreted, 0));
    enum { THREADS = 8 };
    pthread_t t[THREADS];
    struct worker w[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){ .vm = vm, .interpreted = interpreted, .n = i };
        assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
        if (!w[i].ok)
            fail_msg("thread %u: %s", i, w[i].err.msg);
    }
    vd_policy_unref(vm);
    vd_policy_unref(interpreted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_policy_is_refused_with_its_place),
        cmocka_unit_test(a_policy_that_costs_too_much_to_parse_is_refused),
        cmocka_unit_test(built_ins_that_reach_out_are_refused_when_the_policy_is_set),
        cmocka_unit_test(only_the_boolean_true_allows),
        cmocka_unit_test(failures_and_denials_are_told_apart),
        cmocka_unit_test(a_failure_says_where_and_quotes_no_value),
        cmocka_unit_test(a_greedy_policy_is_stopped),
        cmocka_unit_test(results_that_share_their_parts_are_not_written_out),
        cmocka_unit_test(reference_values_are_asked_for_once_and_null_when_unknown),
        cmocka_unit_test(a_lookup_that_fails_fails_the_evaluation),
        cmocka_unit_test(documents_that_are_not_json_fail_the_evaluation),
        cmocka_unit_test(the_digest_is_that_of_the_text),
        cmocka_unit_test(many_threads_evaluate_one_policy),
    };
    if (!test_begin())
        return 1;
    int failed = cmocka_run_group_tests_name("in process", tests, NULL, NULL);
    if (!test_use_workers())
        return 1;
    failed += cmocka_run_group_tests_name("in workers", tests, NULL, NULL);
    test_end();
    return failed;
}
