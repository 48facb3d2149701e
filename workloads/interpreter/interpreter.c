/* A parser by recursive descent and an evaluator that walks its trees, for a language of functions over whole numbers.
   Stresses: branches and direct calls. Every node is a call, a jump by its kind and a return, deep in recursion; there
   is hardly any arithmetic.

   program    = { "(" "def" name "(" { name } ")" expression ")" } expression
   expression = number | name | "(" operator { expression } ")"

   Operators are + - * / % < = if, and the functions defined so far, a function itself included. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char library[] =
    "(def fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))"
    /* Takeuchi's function. */
    "(def tak (x y z) (if (< y x) (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y)) z))"
    /* Ways to put queens on the rows that are left; the places attacked, by column and by diagonal, are sets of bits. */
    "(def has (set bit) (= (% (/ set bit) 2) 1))"
    "(def queens (all bit columns left right)"
    "  (if (= columns (- all 1)) 1"
    "  (if (= bit all) 0"
    "    (+ (queens all (* bit 2) columns left right)"
    "       (if (has columns bit) 0 (if (has left bit) 0 (if (has right bit) 0"
    "         (queens all 1 (+ columns bit) (% (* (+ left bit) 2) all) (/ (+ right bit) 2)))))))))"
    /* Steps of Collatz' sequence down to 1, summed over the starts from low to high. */
    "(def steps (n) (if (= n 1) 0 (+ 1 (steps (if (= (% n 2) 0) (/ n 2) (+ (* 3 n) 1))))))"
    "(def total (low high) (if (= low high) (steps low)"
    "  (+ (total low (/ (+ low high) 2)) (total (+ (/ (+ low high) 2) 1) high))))";

struct size {
    const char *name;
    const char *expressions[4];
};

static const struct size sizes[] = {
    { "small", { "(fib 17)", "(tak 8 5 2)", "(queens 32 1 0 0 0)", "(total 1 200)" } },
    { "real", { "(fib 32)", "(tak 18 12 6)", "(queens 512 1 0 0 0)", "(total 1 20000)" } },
};

enum kind { NUMBER, ARGUMENT, ADD, SUBTRACT, MULTIPLY, DIVIDE, REMAINDER, LESS, EQUAL, IF, CALL };

enum { MOST_NODES = 512, MOST_FUNCTIONS = 16, MOST_ARGUMENTS = 5, LONGEST_NAME = 15 };

struct node {
    enum kind kind;
    int count;
    /* The number, the argument's place or the function's. */
    int64_t value;
    const struct node *children[MOST_ARGUMENTS];
};

struct function {
    char name[LONGEST_NAME + 1], arguments[MOST_ARGUMENTS][LONGEST_NAME + 1];
    int count;
    const struct node *body;
};

static struct node nodes[MOST_NODES];
static int node_count;
static struct function functions[MOST_FUNCTIONS];
static int function_count;

static void
fail(const char *what, const char *at)
{
    fprintf(stderr, "interpreter: %s at '%.20s'\n", what, at);
    exit(1);
}

static void
skip(const char **text)
{
    while (isspace((unsigned char)**text))
        ++*text;
}

static void
expect(const char **text, char wanted)
{
    skip(text);
    if (*(*text)++ != wanted)
        fail("a parenthesis is missing", *text - 1);
}

static void
read_word(const char **text, char word[LONGEST_NAME + 1])
{
    int length = 0;
    skip(text);
    while (**text && !isspace((unsigned char)**text) && !strchr("()", **text)) {
        if (length == LONGEST_NAME)
            fail("a name is too long", *text);
        word[length++] = *(*text)++;
    }
    word[length] = 0;
    if (!length)
        fail("a name is missing", *text);
}

static struct node *
new_node(enum kind kind, int64_t value)
{
    if (node_count == MOST_NODES)
        fail("too many nodes", "");
    nodes[node_count].kind = kind;
    nodes[node_count].value = value;
    return &nodes[node_count++];
}

/* A number, or one of the function's arguments. */
static struct node *
parse_atom(const char **text, const struct function *within)
{
    char word[LONGEST_NAME + 1];
    const char *at = *text;
    read_word(text, word);
    if (isdigit((unsigned char)word[0]))
        return new_node(NUMBER, atoi(word));
    for (int i = 0; i < within->count; i++)
        if (strcmp(within->arguments[i], word) == 0)
            return new_node(ARGUMENT, i);
    fail("an unknown name", at);
    return NULL;
}

/* What a list does, by its first word; how many children it has goes to count. */
static struct node *
parse_head(const char **text, int *count)
{
    static const char *const operators[] = { "+", "-", "*", "/", "%", "<", "=", "if" };
    char word[LONGEST_NAME + 1];
    const char *at = *text;
    read_word(text, word);
    for (int i = 0; ADD + i <= IF; i++)
        if (strcmp(operators[i], word) == 0) {
            *count = ADD + i == IF ? 3 : 2;
            return new_node((enum kind)(ADD + i), 0);
        }
    for (int i = 0; i < function_count; i++)
        if (strcmp(functions[i].name, word) == 0) {
            *count = functions[i].count;
            return new_node(CALL, i);
        }
    fail("an unknown function", at);
    return NULL;
}

static const struct node *
parse(const char **text, const struct function *within)
{
    struct node *node;
    int count;
    skip(text);
    if (**text != '(')
        return parse_atom(text, within);
    ++*text;
    node = parse_head(text, &count);
    node->count = count;
    for (int i = 0; i < count; i++)
        node->children[i] = parse(text, within);
    expect(text, ')');
    return node;
}

static void
parse_definition(const char **text)
{
    char def[LONGEST_NAME + 1];
    struct function *function = &functions[function_count];
    if (function_count == MOST_FUNCTIONS)
        fail("too many functions", *text);
    expect(text, '(');
    read_word(text, def);
    if (strcmp(def, "def") != 0)
        fail("no definition", *text);
    read_word(text, function->name);
    expect(text, '(');
    for (skip(text); **text != ')'; skip(text)) {
        if (function->count == MOST_ARGUMENTS)
            fail("too many arguments", *text);
        read_word(text, function->arguments[function->count++]);
    }
    expect(text, ')');
    function_count++; /* before its body, which may call it */
    function->body = parse(text, function);
    expect(text, ')');
}

static int64_t
evaluate(const struct node *node, const int64_t *arguments);

static int64_t
call(const struct node *node, const int64_t *arguments)
{
    int64_t own[MOST_ARGUMENTS];
    for (int i = 0; i < node->count; i++)
        own[i] = evaluate(node->children[i], arguments);
    return evaluate(functions[node->value].body, own);
}

static int64_t
evaluate(const struct node *node, const int64_t *arguments)
{
    const struct node *const *of = node->children;
    switch (node->kind) {
        case NUMBER:
            return node->value;
        case ARGUMENT:
            return arguments[node->value];
        case ADD:
            return evaluate(of[0], arguments) + evaluate(of[1], arguments);
        case SUBTRACT:
            return evaluate(of[0], arguments) - evaluate(of[1], arguments);
        case MULTIPLY:
            return evaluate(of[0], arguments) * evaluate(of[1], arguments);
        case DIVIDE:
            return evaluate(of[0], arguments) / evaluate(of[1], arguments);
        case REMAINDER:
            return evaluate(of[0], arguments) % evaluate(of[1], arguments);
        case LESS:
            return evaluate(of[0], arguments) < evaluate(of[1], arguments);
        case EQUAL:
            return evaluate(of[0], arguments) == evaluate(of[1], arguments);
        case IF:
            return evaluate(of[evaluate(of[0], arguments) ? 1 : 2], arguments);
        case CALL:
            return call(node, arguments);
    }
    return 0;
}

static void
run(const struct size *size, int64_t values[4])
{
    static const struct function outside;
    const char *text = library;
    while (*text)
        parse_definition(&text);
    for (int i = 0; i < 4; i++) {
        text = size->expressions[i];
        values[i] = evaluate(parse(&text, &outside), NULL);
    }
}

static const struct size *
find(const char *name)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    fprintf(stderr, "interpreter: no size %s; there are small and real\n", name);
    exit(2);
}

int
main(int argc, char **argv)
{
    const struct size *size = find(argc > 1 ? argv[1] : "small");
    int64_t values[4];
    bench_start();
    run(size, values);
    bench_end();
    for (int i = 0; i < 4; i++)
        printf("%s %lld\n", size->expressions[i], (long long)values[i]);
    return 0;
}
