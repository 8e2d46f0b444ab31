/* Commands that are one request: arguments into fields, the reply onto stdout. */
#include "base/error.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <errno.h>
#include <stdlib.h>

/* ---- arguments into fields ---- */

static int fill_number(struct vxc_cli *cli, const char *argument, int64_t *number)
{
    if (vxc_text_i64(argument, number) != VXC_OK) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "\"%s\" is not a 64-bit number", argument);
    }
    return 0;
}

static int fill_field(struct vxc_cli *cli, char field, const char *argument,
                      struct vxc_request *request)
{
    const bool key64 = vxc_cli_has(cli, VXC_OPTION_KEY64);
    const bool value64 = vxc_cli_has(cli, VXC_OPTION_VALUE64);

    switch (field) {
    case 'n':
        request->name = vxc_text(argument);
        return 0;
    case 'k':
        return vxc_cli_bytes(cli, argument, key64, false, &request->key);
    case 'v':
        return vxc_cli_bytes(cli, argument, value64, true, &request->value);
    case 'x':
        return vxc_cli_bytes(cli, argument, value64, false, &request->expected);
    case 'd':
        return fill_number(cli, argument, &request->number);
    case 'D':
        return fill_number(cli, argument, &request->expected_number);
    default: /* 'i' */
        if (vxc_text_u64(argument, &request->id) != VXC_OK) {
            return vxc_cli_fail(cli, VXC_EXIT_USAGE, "\"%s\" is not an id", argument);
        }
        return 0;
    }
}

static int fill_request(struct vxc_cli *cli, struct vxc_request *request)
{
    const char *fields = cli->command->fields == NULL ? "" : cli->command->fields;
    bool value_given = strchr(fields, 'v') == NULL;
    uint64_t ttl_ms;
    int rc = vxc_cli_time(cli, VXC_OPTION_TTL, 0, &ttl_ms);

    request->ttl_ms = ttl_ms;
    for (int i = 0; rc == 0 && i < cli->argc; i++) {
        rc = fill_field(cli, fields[i], cli->argv[i], request);
        value_given = value_given || fields[i] == 'v';
    }
    if (rc == 0 && !value_given) {
        if (cli->value[VXC_OPTION_FILE] == NULL) {
            return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                                "which value? give it as an argument, as - for standard input, or "
                                "with --file FILE");
        }
        rc = vxc_cli_read_file(cli, cli->value[VXC_OPTION_FILE], &request->value);
    } else if (rc == 0 && strchr(fields, 'v') != NULL && vxc_cli_has(cli, VXC_OPTION_FILE)) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                            "a value is given twice: as argument and by --file");
    }
    return rc;
}

/* ---- replies onto stdout ---- */

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

static int write_file(struct vxc_cli *cli, const char *path, struct vxc_bytes bytes)
{
    FILE *file = fopen(path, "we");

    if (file == NULL) {
        return vxc_cli_fail(cli, VXC_EXIT_REFUSED, "%s: %s", path, strerror(errno));
    }
    const bool written = fwrite(bytes.data, 1, bytes.size, file) == bytes.size;
    if (fclose(file) != 0 || !written) {
        return vxc_cli_fail(cli, VXC_EXIT_REFUSED, "%s: %s", path, strerror(errno));
    }
    return 0;
}

/* One bare thing: in a table it would be all frame and no picture. */
static void show_bare(struct vxc_cli *cli, const char *name, struct vxc_bytes value)
{
    const char *const columns[] = {name, NULL};
    const enum vxc_out_mode mode = cli->out.mode;

    if (mode == VXC_OUT_TABLE) {
        struct vxc_buffer escaped = {0};
        if (vxc_text_is_utf8(slice_of(value))) {
            vxc_out_plain(&cli->out, slice_of(value));
        } else if (vxc_text_escape(&escaped, slice_of(value)) == VXC_OK) {
            vxc_out_plain(&cli->out, vxc_buffer_slice(&escaped));
        }
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
        vxc_buffer_free(&escaped);
        return;
    }
    vxc_out_begin_single(&cli->out, columns);
    vxc_out_bytes(&cli->out, slice_of(value));
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
}

static int show_value(struct vxc_cli *cli, const struct vxc_reply *reply)
{
    if (!reply->found) {
        return VXC_EXIT_FALSE;
    }
    if (vxc_cli_has(cli, VXC_OPTION_FILE) && strchr(cli->command->fields, 'v') == NULL) {
        return write_file(cli, cli->value[VXC_OPTION_FILE], reply->value);
    }
    show_bare(cli, "value", reply->value);
    return VXC_EXIT_DONE;
}

static void show_number(struct vxc_cli *cli, const char *name, int64_t number)
{
    const char *const columns[] = {name, NULL};
    char text[24];

    if (cli->out.mode == VXC_OUT_TABLE) {
        (void)snprintf(text, sizeof text, "%lld\n", (long long)number);
        vxc_out_plain(&cli->out, vxc_slice_of_string(text));
        return;
    }
    vxc_out_begin_single(&cli->out, columns);
    vxc_out_i64(&cli->out, number);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
}

static void show_truth(struct vxc_cli *cli, const char *name)
{
    const char *const columns[] = {name, NULL};

    if (cli->out.mode == VXC_OUT_TABLE || cli->out.mode == VXC_OUT_RAW) {
        vxc_out_plain(&cli->out, vxc_slice_of_string("true\n"));
        return;
    }
    vxc_out_begin_single(&cli->out, columns);
    vxc_out_bool(&cli->out, true);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
}

/* A write says nothing on a pipe; in JSON it says at which index it took effect. */
void vxc_cli_show_done(struct vxc_cli *cli, const struct vxc_reply *reply)
{
    static const char *const columns[] = {"index", NULL};

    if (cli->out.mode == VXC_OUT_JSON || cli->out.mode == VXC_OUT_JSONL) {
        vxc_out_begin_single(&cli->out, columns);
        vxc_out_u64(&cli->out, reply->index);
        vxc_out_end_row(&cli->out);
        vxc_out_end(&cli->out);
    }
}

static void show_counter(struct vxc_cli *cli, const struct vxc_reply *reply)
{
    static const char *const columns[] = {"name", "value", NULL};

    if (cli->out.mode == VXC_OUT_TABLE || cli->out.mode == VXC_OUT_RAW) {
        show_number(cli, "value", reply->number);
        return;
    }
    vxc_out_begin_single(&cli->out, columns);
    vxc_out_bytes(&cli->out, vxc_slice_of_string(cli->argv[0]));
    vxc_out_i64(&cli->out, reply->number);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
}

static int show_old(struct vxc_cli *cli, const struct vxc_reply *reply)
{
    if (vxc_cli_has(cli, VXC_OPTION_OLD)) {
        return reply->found ? show_value(cli, reply) : VXC_EXIT_DONE; /* done, nothing was there */
    }
    vxc_cli_show_done(cli, reply);
    return VXC_EXIT_DONE;
}

static int show_reply(struct vxc_cli *cli, const struct vxc_reply *reply)
{
    switch (cli->command->show) {
    case VXC_SHOW_VALUE:
        return show_value(cli, reply);
    case VXC_SHOW_OLD:
        return show_old(cli, reply);
    case VXC_SHOW_REMOVED:
        return reply->found ? show_old(cli, reply) : VXC_EXIT_FALSE;
    case VXC_SHOW_TRUTH:
        if (!reply->found) {
            return VXC_EXIT_FALSE;
        }
        show_truth(cli, cli->command->name);
        return VXC_EXIT_DONE;
    case VXC_SHOW_DONE:
        if (!reply->found) {
            return VXC_EXIT_FALSE;
        }
        break;
    case VXC_SHOW_HELD:
        if (!reply->found) {
            return vxc_cli_fail(cli, VXC_EXIT_CONFLICT, "it is not what was expected; unchanged");
        }
        break;
    case VXC_SHOW_ABSENT:
        if (reply->found) {
            return vxc_cli_fail(cli, VXC_EXIT_CONFLICT, "there is one already; unchanged");
        }
        break;
    case VXC_SHOW_NUMBER:
        show_number(cli, cli->command->name, reply->number);
        return VXC_EXIT_DONE;
    case VXC_SHOW_COUNTER:
        show_counter(cli, reply);
        return VXC_EXIT_DONE;
    default:
        break;
    }
    vxc_cli_show_done(cli, reply);
    return VXC_EXIT_DONE;
}

/* ---- pages ---- */

int vxc_cli_pages(struct vxc_cli *cli, struct vxc_request *request,
                  void (*on_row)(struct vxc_cli *cli, struct vxc_bytes first,
                                 struct vxc_bytes second))
{
    uint8_t cursor[4096];
    uint64_t left;
    int rc = vxc_cli_count(cli, VXC_OPTION_LIMIT, 0, UINT64_MAX, UINT64_MAX, &left);

    while (rc == 0 && left > 0) {
        struct vxc_reply reply;
        struct vxc_bytes first, second;
        if (left < 10000) {
            request->limit_rows = (uint32_t)left;
        }
        rc = vxc_cli_call(cli, request, &reply);
        if (rc != 0) {
            return rc;
        }
        while (left > 0 && vxc_rows_next(&reply.rows, &first, &second)) {
            on_row(cli, first, second);
            left--;
        }
        if (reply.next.data == NULL) {
            return 0;
        }
        if (reply.next.size > sizeof cursor) {
            return vxc_cli_fail(cli, VXC_EXIT_INTEGRITY, "a cursor of %zu bytes", reply.next.size);
        }
        memcpy(cursor, reply.next.data, reply.next.size);
        request->cursor = vxc_bytes(cursor, reply.next.size);
    }
    return rc;
}

static uint64_t word_at(struct vxc_bytes bytes, size_t at)
{
    return bytes.size >= at + 8 ? vxc_load_u64((const uint8_t *)bytes.data + at) : 0;
}

static void on_key(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    (void)second;
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_end_row(&cli->out);
}

static void on_value(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    (void)first;
    vxc_out_bytes(&cli->out, slice_of(second));
    vxc_out_end_row(&cli->out);
}

static void on_entry(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_bytes(&cli->out, slice_of(second));
    vxc_out_end_row(&cli->out);
}

static void on_object(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_u64(&cli->out, word_at(second, 0));
    vxc_out_u64(&cli->out, word_at(second, 8));
    vxc_out_end_row(&cli->out);
}

static void on_counter(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_i64(&cli->out, (int64_t)word_at(second, 0));
    vxc_out_end_row(&cli->out);
}

static int show_pages(struct vxc_cli *cli, struct vxc_request *request)
{
    static const char *const keys[] = {"key", NULL};
    static const char *const values[] = {"value", NULL};
    static const char *const entries[] = {"key", "value", NULL};
    static const char *const objects[] = {"name", "size", "bytes", NULL};
    static const char *const counters[] = {"name", "value", NULL};
    static const struct {
        enum vxc_show show;
        int what;
        const char *const *columns;
        void (*on_row)(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second);
    } shapes[] = {{VXC_SHOW_KEYS, VXC_ROWS_KEYS, keys, on_key},
                  {VXC_SHOW_VALUES, VXC_ROWS_VALUES, values, on_value},
                  {VXC_SHOW_ENTRIES, VXC_ROWS_ENTRIES, entries, on_entry},
                  {VXC_SHOW_MEMBERS, 0, values, on_key},
                  {VXC_SHOW_OBJECTS, 0, objects, on_object},
                  {VXC_SHOW_COUNTERS, 0, counters, on_counter}};
    size_t i = 0;
    int rc;

    while (shapes[i].show != cli->command->show) {
        i++;
    }
    request->what = shapes[i].what;
    vxc_out_begin(&cli->out, shapes[i].columns);
    rc = vxc_cli_pages(cli, request, shapes[i].on_row);
    if (rc == 0 || cli->out.rows > 0) { /* what was begun is closed */
        vxc_out_end(&cli->out);
    }
    return rc;
}

int vxc_cli_run_simple(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(cli->command->operation);
    struct vxc_reply reply;
    int rc = fill_request(cli, &request);

    if (rc != 0) {
        return rc;
    }
    if (cli->command->show >= VXC_SHOW_KEYS) {
        return show_pages(cli, &request);
    }
    if (vxc_cli_has(cli, VXC_OPTION_OLD) || cli->command->show == VXC_SHOW_REMOVED ||
        cli->command->show == VXC_SHOW_ABSENT) {
        request.flags |= VXC_REQUEST_WANT_OLD; /* its presence is the answer */
    }
    rc = vxc_cli_call(cli, &request, &reply);
    return rc != 0 ? rc : show_reply(cli, &reply);
}
