/* Makes what is derived from message.def, cases.c and semantics.def, and checks that the committed
 * files are what would be made:
 *
 *     generate write ROOT    writes tests/vectors/v1.txt, tests/vectors/v1-edges.txt, the marked
 *                            sections of docs/protocol.md and the seed corpora of tests/fuzz/corpus
 *     generate check ROOT    compares (all but the corpora); 1 when a file is not current
 */
#include "cases.h"
#include "tables.h"
#include "text.h"
#include "wire/operations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

struct file_text {
    char *data;
    size_t size;
};

static _Noreturn void fail(const char *what, const char *path)
{
    fprintf(stderr, "generate: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static char *path_of(const char *root, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", root, name) < 0) {
        fail("allocate for", name);
    }
    return path;
}

static struct file_text read_file(const char *path)
{
    struct file_text text = {NULL, 0};
    FILE *copy = open_memstream(&text.data, &text.size);
    FILE *in = fopen(path, "rbe");
    int c;

    if (in == NULL || copy == NULL) {
        fail("cannot read", path);
    }
    while ((c = fgetc(in)) != EOF) {
        fputc(c, copy);
    }
    (void)fclose(in); /* only read from */
    if (fclose(copy) != 0) {
        fail("cannot keep", path);
    }
    return text;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *out = fopen(path, "wbe");

    if (out == NULL || fwrite(data, 1, size, out) != size || fclose(out) != 0) {
        fail("cannot write", path);
    }
}

/* ---- vector files ---- */

static void print_vectors(FILE *out)
{
    struct vxc_buffer frame = {0};
    size_t count;
    const struct vector *all = vectors(&count);

    fputs("# Golden vectors of protocol version 1; the format is in docs/protocol.md.\n"
          "# name | kind | flags | request_id | sequence floor | fields | frame\n",
          out);
    for (size_t i = 0; i < count; i++) {
        const struct vector *v = &all[i];
        vxc_buffer_clear(&frame);
        if (vector_frame(v, &frame) != 0) {
            fail("cannot encode", v->name);
        }
        fprintf(out, "%s | %u | %u | %" PRIu32 " | ", v->name, v->message.kind, v->flags,
                v->request_id);
        if ((v->flags & VXC_FRAME_SEQUENCED) != 0) {
            fprintf(out, "%" PRIu64 " %" PRIu64 " | ", v->sequence, v->floor);
        } else {
            fputs("- | ", out);
        }
        text_fields(out, &v->message);
        fputs(" | ", out);
        text_hex(out, vxc_buffer_slice(&frame));
        fputc('\n', out);
    }
    vxc_buffer_free(&frame);
}

static void print_edges(FILE *out)
{
    struct vxc_buffer frame = {0};
    size_t count;
    const struct edge *all = edges(&count);

    fputs(
        "# Frames at and over the edge of protocol version 1; the format is in docs/protocol.md.\n"
        "# name | result | fields | frame\n",
        out);
    for (size_t i = 0; i < count; i++) {
        const struct edge *e = &all[i];
        vxc_buffer_clear(&frame);
        if (edge_frame(e, &frame) != 0) {
            fail("cannot make", e->name);
        }
        fprintf(out, "%s | %s | ", e->name, vxc_error_name(e->result));
        if (e->result == 0) {
            struct vxc_message message;
            if (vxc_message_decode(e->kind, e->payload, &message) != 0) {
                fail("cannot decode", e->name);
            }
            text_fields(out, &message);
        } else {
            fputc('-', out);
        }
        fputs(" | ", out);
        text_hex(out, vxc_buffer_slice(&frame));
        fputc('\n', out);
    }
    vxc_buffer_free(&frame);
}

/* ---- the document ---- */

/* Copies the line that `*at` begins and moves behind it. */
static void copy_line(FILE *out, const char **at)
{
    const char *end = strchr(*at, '\n');
    size_t size = end == NULL ? strlen(*at) : (size_t)(end - *at) + 1;

    fwrite(*at, 1, size, out);
    *at += size;
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What stands between "<!-- begin NAME -->" and "<!-- end NAME -->" is made anew. */
static void print_document(FILE *out, const char *old)
{
    static const char begin[] = "<!-- begin ";

    while (*old != '\0') {
        bool made = begins_with(old, begin);
        char name[64] = "";
        if (made) {
            (void)sscanf(old + sizeof begin - 1, "%63[^ ]", name); /* no name is an unknown one */
        }
        copy_line(out, &old);
        if (!made) {
            continue;
        }
        if (!print_table(out, name)) {
            errno = ENOENT;
            fail("docs/protocol.md asks for a table", name);
        }
        while (*old != '\0' && !begins_with(old, "<!-- end ")) {
            old = strchr(old, '\n') == NULL ? "" : strchr(old, '\n') + 1;
        }
    }
}

/* ---- seed corpora ---- */

static void seed(const char *root, const char *target, const char *name, struct vxc_slice bytes)
{
    char *path;

    if (asprintf(&path, "%s/tests/fuzz/corpus/%s/%s", root, target, name) < 0) {
        fail("allocate for", name);
    }
    write_file(path, bytes.data, bytes.size);
    free(path);
}

/* The message target reads a kind (u16) and a payload. */
static void seed_message(const char *root, const char *name, uint16_t kind,
                         struct vxc_slice payload)
{
    struct vxc_buffer input = {0};

    if (vxc_buffer_put_u16(&input, kind) != 0 ||
        vxc_buffer_append(&input, payload.data, payload.size) != 0) {
        fail("allocate for", name);
    }
    seed(root, "message", name, vxc_buffer_slice(&input));
    vxc_buffer_free(&input);
}

static void seed_operations(const char *root, struct vxc_list list)
{
    const uint8_t *end = list.raw.data + list.raw.size;
    struct vxc_sync_operation operation;
    char name[32];
    unsigned number = 0;

    seed(root, "operations", "all", list.raw);
    while (list.count > 0) {
        const uint8_t *at = list.raw.data;
        if (!vxc_list_next_sync(&list, &operation)) {
            fail("cannot decode", "the operations of state_sync");
        }
        (void)snprintf(name, sizeof name, "%02u-tag-%u", number++, operation.tag);
        seed(root, "operations", name,
             vxc_slice(at, (size_t)((list.count == 0 ? end : list.raw.data) - at)));
    }
}

/* One frame and message per shape of payload is enough: kinds with the same fields share a seed. */
static bool is_new_shape(size_t index)
{
    size_t count;
    const struct vector *all = vectors(&count);
    const struct vxc_message_schema *schema = vxc_message_schema(all[index].message.kind);

    for (size_t i = 0; i < index; i++) {
        const struct vxc_message_schema *other = vxc_message_schema(all[i].message.kind);
        bool same = other->fields_count == schema->fields_count && all[i].flags == all[index].flags;
        for (size_t f = 0; same && f < schema->fields_count; f++) {
            same = other->fields[f].type == schema->fields[f].type;
        }
        if (same) {
            return false;
        }
    }
    return true;
}

/* ---- what a server says to a client (tests/fuzz/client_fuzz.c has the format) ---- */

static void add_record(struct vxc_buffer *talk, uint8_t flags, uint16_t kind, uint8_t which,
                       struct vxc_slice payload)
{
    if (vxc_buffer_put_u8(talk, flags) != 0 || vxc_buffer_put_u16(talk, kind) != 0 ||
        vxc_buffer_put_u8(talk, which) != 0 ||
        vxc_buffer_put_u16(talk, (uint16_t)payload.size) != 0 ||
        vxc_buffer_append(talk, payload.data, payload.size) != 0) {
        fail("allocate for", "a seed");
    }
}

static void add_answer(struct vxc_buffer *talk, const struct vxc_message *m, uint8_t flags,
                       uint8_t which)
{
    struct vxc_buffer payload = {0};

    if (vxc_message_encode(m, &payload) != 0) {
        fail("cannot encode", "a seed");
    }
    add_record(talk, flags, m->kind, which, vxc_buffer_slice(&payload));
    vxc_buffer_free(&payload);
}

/* Hello and session, then the message: as an event, or as the answer to several requests; a record
 * travels as the value of one. */
static void seed_talk(const char *root, const struct vector *v)
{
    const enum vxc_message_role role = vxc_message_schema(v->message.kind)->role;
    struct vxc_message hello = {.kind = VXC_KIND_HELLO_REPLY};
    struct vxc_message session = {.kind = VXC_KIND_SESSION_REPLY};
    struct vxc_message value = {.kind = VXC_KIND_VALUE_REPLY};
    struct vxc_buffer talk = {0}, payload = {0};

    if (role == VXC_ROLE_REQUEST ||
        (v->message.kind < 100 && role == VXC_ROLE_REPLY &&
         v->message.kind != VXC_KIND_LEGACY_ERROR && v->message.kind != VXC_KIND_LEADER_REDIRECT)) {
        return;
    }
    hello.hello_reply.version = 1;
    hello.hello_reply.primary = true;
    session.session_reply.session = 42;
    session.session_reply.secret = vxc_slice_of_string("0123456789abcdef");
    session.session_reply.timeout_ms = 300;
    (void)vxc_buffer_put_u8(&talk,
                            2); /* a session is wanted; add_record sees when it is not there */
    add_answer(&talk, &hello, VXC_FRAME_RESPONSE, 1);
    add_answer(&talk, &session, VXC_FRAME_RESPONSE, 1);
    if (role == VXC_ROLE_EVENT) {
        add_answer(&talk, &v->message, VXC_FRAME_EVENT, 0);
    } else if (role == VXC_ROLE_REPLY) {
        add_answer(&talk, &v->message, VXC_FRAME_RESPONSE, 1);
        add_answer(&talk, &v->message, VXC_FRAME_RESPONSE, 2);
        add_answer(&talk, &v->message, VXC_FRAME_RESPONSE, 9);
    } else if (vxc_message_encode(&v->message, &payload) == 0) {
        value.value_reply.value =
            (struct vxc_opt_bytes){.present = true, .bytes = vxc_buffer_slice(&payload)};
        add_answer(&talk, &value, VXC_FRAME_RESPONSE, 1);
    }
    seed(root, "client", v->name, vxc_buffer_slice(&talk));
    vxc_buffer_free(&talk);
    vxc_buffer_free(&payload);
}

static void write_corpora(const char *root)
{
    struct vxc_buffer frame = {0};
    size_t count;
    const struct edge *edge = edges(&count);
    const struct vector *all;

    for (size_t i = 0; i < count; i++) {
        vxc_buffer_clear(&frame);
        if (edge_frame(&edge[i], &frame) != 0) {
            fail("cannot make", edge[i].name);
        }
        seed(root, "frame", edge[i].name, vxc_buffer_slice(&frame));
        if (edge[i].payload.size > 0 && vxc_message_schema(edge[i].kind) != NULL &&
            edge[i].kind != VXC_KIND_MAP_GET) {
            seed_message(root, edge[i].name, edge[i].kind, edge[i].payload);
        }
    }
    all = vectors(&count);
    for (size_t i = 0; i < count; i++) {
        struct vxc_frame decoded;
        uint32_t need;
        seed_talk(root, &all[i]);
        if (!is_new_shape(i)) {
            continue;
        }
        vxc_buffer_clear(&frame);
        if (vector_frame(&all[i], &frame) != 0 ||
            vxc_frame_decode(vxc_buffer_slice(&frame), VXC_FRAME_SIZE_MAX, &decoded, &need) != 0) {
            fail("cannot encode", all[i].name);
        }
        if ((all[i].flags & (VXC_FRAME_SEQUENCED | VXC_FRAME_EVENT | VXC_FRAME_PING)) != 0) {
            seed(root, "frame", all[i].name, vxc_buffer_slice(&frame));
        }
        seed_message(root, all[i].name, all[i].message.kind, decoded.payload);
        if (all[i].message.kind == VXC_KIND_STATE_SYNC) {
            seed_operations(root, all[i].message.state_sync.operations);
        }
    }
    vxc_buffer_free(&frame);
}

/* ---- writing and checking ---- */

static unsigned line_of_difference(const char *a, const char *b)
{
    unsigned line = 1;

    for (; *a == *b && *a != '\0'; a++, b++) {
        line += *a == '\n';
    }
    return line;
}

/* Writes the text or compares it with what is there; false when it is not current. */
static bool settle(bool check, const char *root, const char *name, struct file_text made)
{
    char *path = path_of(root, name);
    bool current = true;

    if (check) {
        struct file_text committed = read_file(path);
        current = committed.size == made.size && memcmp(committed.data, made.data, made.size) == 0;
        if (!current) {
            fprintf(stderr, "generate: %s is not current (line %u): run `generate write`\n", path,
                    line_of_difference(committed.data, made.data));
        }
        free(committed.data);
    } else {
        write_file(path, made.data, made.size);
    }
    free(path);
    free(made.data);
    return current;
}

static struct file_text made_by(void (*print)(FILE *out))
{
    struct file_text text = {NULL, 0};
    FILE *out = open_memstream(&text.data, &text.size);

    if (out == NULL) {
        fail("allocate for", "a file");
    }
    print(out);
    if (fclose(out) != 0) {
        fail("cannot make", "a file");
    }
    return text;
}

static struct file_text made_document(const char *root)
{
    char *path = path_of(root, "docs/protocol.md");
    struct file_text old = read_file(path);
    struct file_text text = {NULL, 0};
    FILE *out = open_memstream(&text.data, &text.size);

    if (out == NULL) {
        fail("allocate for", path);
    }
    print_document(out, old.data);
    if (fclose(out) != 0) {
        fail("cannot make", path);
    }
    free(old.data);
    free(path);
    return text;
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "check") == 0;
    bool current = true;

    if (!check && (argc != 3 || strcmp(argv[1], "write") != 0)) {
        fprintf(stderr, "usage: generate write|check ROOT\n");
        return 2;
    }
    current &= settle(check, argv[2], "tests/vectors/v1.txt", made_by(print_vectors));
    current &= settle(check, argv[2], "tests/vectors/v1-edges.txt", made_by(print_edges));
    current &= settle(check, argv[2], "docs/protocol.md", made_document(argv[2]));
    if (!check) {
        write_corpora(argv[2]);
    }
    return current ? 0 : 1;
}
