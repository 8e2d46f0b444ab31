#include "base/error.h"
#include "base/limits.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- messages ---- */

static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list args)
{
    (void)fputs("vxc: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
}

void vxc_cli_say(const struct vxc_cli *cli, const char *format, ...)
{
    va_list args;
    if (!cli->quiet) {
        va_start(args, format);
        say(format, args);
        va_end(args);
    }
}

void vxc_cli_detail(const struct vxc_cli *cli, const char *format, ...)
{
    va_list args;
    if (cli->verbose) {
        va_start(args, format);
        say(format, args);
        va_end(args);
    }
}

int vxc_cli_fail(const struct vxc_cli *cli, int status, const char *format, ...)
{
    va_list args;
    (void)fprintf(stderr, "vxc: %s: ", cli->doing);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return status;
}

int vxc_cli_exit_of(const struct vxc_cli *cli, int code)
{
    switch (code) {
    case VXC_OK:
        return VXC_EXIT_DONE;
    case VXC_ENOTFOUND:
    case VXC_ENOTHELD:
        return VXC_EXIT_FALSE;
    case VXC_EINVAL:
    case VXC_EADDRESS:
    case VXC_ETOOBIG:
        return VXC_EXIT_USAGE;
    case VXC_ECLOSED:
    case VXC_ENOTPRIMARY:
    case VXC_ENOQUORUM:
        return VXC_EXIT_UNREACHED;
    case VXC_ECONFLICT:
    case VXC_EEXISTS:
        return VXC_EXIT_CONFLICT;
    case VXC_EPROTO:
    case VXC_EVERSION:
    case VXC_EKIND:
    case VXC_ECRC:
    case VXC_ECORRUPT:
    case VXC_EFOREIGN:
        return VXC_EXIT_INTEGRITY;
    case VXC_ETIMEOUT:
        return cli->client != NULL && !vxc_client_reached(cli->client) ? VXC_EXIT_UNREACHED
                                                                       : VXC_EXIT_TIMEOUT;
    case VXC_EUNKNOWN:
        return VXC_EXIT_TIMEOUT;
    default: /* no space, busy, limits, sessions, read-only, secrets */
        return VXC_EXIT_REFUSED;
    }
}

/* What a person can do about it; NULL when the text says it all. */
static const char *advice(int status)
{
    switch (status) {
    case VXC_EXIT_UNREACHED:
        return "is vxcd running there? name another place with -e HOST:PORT or "
               "VERTX_CLUSTER_ENDPOINTS";
    case VXC_EXIT_TIMEOUT:
        return "give it longer with --timeout; look with: vxc status";
    default:
        return NULL;
    }
}

int vxc_cli_fail_code(const struct vxc_cli *cli, int code, const char *text)
{
    const int status = vxc_cli_exit_of(cli, code);

    (void)vxc_cli_fail(cli, status, "%s", text[0] != '\0' ? text : vxc_strerror(code));
    if (code == VXC_ENOSPC) {
        (void)fprintf(stderr, "  remove something, or give the server's disk room\n");
    } else if (!cli->quiet && advice(status) != NULL) {
        (void)fprintf(stderr, "  %s\n", advice(status));
    }
    return status;
}

/* ---- options of commands ---- */

int vxc_cli_count(const struct vxc_cli *cli, enum vxc_option_id id, uint64_t min, uint64_t max,
                  uint64_t otherwise, uint64_t *count)
{
    const char *text = cli->value[id];

    *count = otherwise;
    if (text == NULL) {
        return 0;
    }
    if (vxc_text_u64(text, count) != VXC_OK || *count < min || *count > max) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "--%s \"%s\": expected a number from %llu to %llu",
                            vxc_options[id].name, text, (unsigned long long)min,
                            (unsigned long long)max);
    }
    return 0;
}

int vxc_cli_time(const struct vxc_cli *cli, enum vxc_option_id id, uint64_t otherwise, uint64_t *ms)
{
    const char *text = cli->value[id];

    *ms = otherwise;
    if (text != NULL && vxc_text_duration(text, ms) != VXC_OK) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                            "--%s \"%s\": expected a time such as 500ms, 2s or 1m",
                            vxc_options[id].name, text);
    }
    return 0;
}

int vxc_cli_lease(const struct vxc_cli *cli, uint32_t *lease_ms)
{
    uint64_t ms;
    const int rc = vxc_cli_time(cli, VXC_OPTION_LEASE, VXC_SESSION_TIMEOUT_MS_DEFAULT, &ms);

    if (rc != 0) {
        return rc;
    }
    if (ms < VXC_SESSION_TIMEOUT_MS_MIN || ms > VXC_SESSION_TIMEOUT_MS_MAX) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "--lease \"%s\": expected %ums to %us",
                            cli->value[VXC_OPTION_LEASE], VXC_SESSION_TIMEOUT_MS_MIN,
                            VXC_SESSION_TIMEOUT_MS_MAX / 1000);
    }
    *lease_ms = (uint32_t)ms;
    return 0;
}

/* ---- the connection ---- */

/* The file that a daemon in its default folder writes. */
static int read_endpoint_file(struct vxc_cli *cli)
{
    FILE *file = fopen("vxc-data/endpoint", "re");
    size_t size = 0;

    if (file != NULL) {
        size = fread(cli->endpoints, 1, sizeof cli->endpoints - 1, file);
        (void)fclose(file); /* was only read */
    }
    cli->endpoints[size] = '\0';
    cli->endpoints[strcspn(cli->endpoints, "\r\n")] = '\0';
    return cli->endpoints[0] == '\0' ? VXC_ENOTFOUND : VXC_OK;
}

static int find_endpoints(struct vxc_cli *cli)
{
    const char *text = cli->value[VXC_OPTION_ENDPOINTS];

    if (text == NULL) {
        text = getenv("VERTX_CLUSTER_ENDPOINTS");
        if (text != NULL && text[0] == '\0') {
            text = NULL;
        }
    }
    if (text != NULL) {
        if (strlen(text) >= sizeof cli->endpoints) {
            return vxc_cli_fail(cli, VXC_EXIT_USAGE, "the list of endpoints is too long");
        }
        (void)snprintf(cli->endpoints, sizeof cli->endpoints, "%s", text);
        return 0;
    }
    if (read_endpoint_file(cli) == VXC_OK) {
        return 0;
    }
    return vxc_cli_fail(
        cli, VXC_EXIT_USAGE,
        "where is the cluster? give -e HOST:PORT or VERTX_CLUSTER_ENDPOINTS, or run "
        "it beside ./vxc-data, where vxcd lives by default");
}

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct vxc_cli *cli = data;

    if (notice->type == VXC_NOTICE_DISCONNECTED) {
        vxc_cli_detail(cli, "the connection is gone: %s", notice->text);
    } else if (notice->type == VXC_NOTICE_SESSION_EXPIRED) {
        vxc_cli_detail(cli, "the session has expired: %s", notice->text);
    }
    if (cli->on_notice != NULL) {
        cli->on_notice(cli->data, notice);
    }
}

int vxc_cli_client(struct vxc_cli *cli)
{
    struct vxc_client_options options = vxc_client_options();
    int rc;

    if (cli->client != NULL) {
        return 0;
    }
    rc = find_endpoints(cli);
    if (rc != 0) {
        return rc;
    }
    options.endpoints = cli->endpoints;
    options.client_name = "vxc";
    options.timeout_ms = cli->timeout_ms;
    options.data = cli;
    options.on_notice = on_notice;
    if (cli->value[VXC_OPTION_NAMESPACE] != NULL) {
        options.namespace_name = vxc_text(cli->value[VXC_OPTION_NAMESPACE]);
    }
    rc = vxc_client_create(&options, &cli->client);
    if (rc == VXC_EADDRESS) {
        return vxc_cli_fail(
            cli, VXC_EXIT_USAGE,
            "\"%s\" is no list of endpoints; expected HOST:PORT, several with commas "
            "between, as in 127.0.0.1:7400",
            cli->endpoints);
    }
    return rc == VXC_OK ? 0 : vxc_cli_fail_code(cli, rc, "");
}

int vxc_cli_call(struct vxc_cli *cli, const struct vxc_request *request, struct vxc_reply *reply)
{
    int rc = vxc_cli_client(cli);

    if (rc != 0) {
        return rc;
    }
    vxc_reply_free(&cli->kept);
    rc = vxc_client_call(cli->client, request, &cli->kept);
    *reply = cli->kept;
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, reply->message);
    }
    vxc_cli_detail(cli, "%s answered at index %llu", vxc_client_endpoint(cli->client),
                   (unsigned long long)reply->index);
    return 0;
}

int vxc_cli_session(struct vxc_cli *cli, uint32_t timeout_ms)
{
    char name[96];
    int rc = vxc_cli_client(cli);

    if (rc != 0) {
        return rc;
    }
    (void)snprintf(name, sizeof name, "vxc %.40s pid %ld", cli->family->name, (long)getpid());
    rc = vxc_client_session_open(cli->client, timeout_ms, vxc_text(name));
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    vxc_cli_detail(cli, "session %llu", (unsigned long long)vxc_client_session(cli->client));
    return 0;
}

int vxc_cli_confirm(struct vxc_cli *cli)
{
    char answer[16] = "";

    if (vxc_cli_has(cli, VXC_OPTION_YES)) {
        return 0;
    }
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        return vxc_cli_fail(cli, VXC_EXIT_UNSAFE,
                            "this cannot be undone, and there is nobody to ask; add --yes");
    }
    (void)fprintf(stderr, "vxc: %s: this cannot be undone. Go on? [y/N] ", cli->doing);
    if (fgets(answer, sizeof answer, stdin) != NULL &&
        (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0)) {
        return 0;
    }
    return vxc_cli_fail(cli, VXC_EXIT_UNSAFE, "not done");
}

/* ---- input ---- */

static int new_input(struct vxc_cli *cli, struct vxc_buffer **input)
{
    if (cli->inputs_count == sizeof cli->inputs / sizeof cli->inputs[0]) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "too many values from files");
    }
    *input = &cli->inputs[cli->inputs_count++];
    return 0;
}

static struct vxc_bytes bytes_of(const struct vxc_buffer *input)
{
    return vxc_bytes(input->data == NULL ? "" : (const void *)input->data, input->size);
}

static int read_stream(struct vxc_cli *cli, FILE *file, const char *name, struct vxc_bytes *bytes)
{
    struct vxc_buffer *input = NULL;
    const int rc = new_input(cli, &input);
    size_t got;

    if (rc != 0) {
        return rc;
    }
    do {
        if (vxc_buffer_reserve(input, 64u * VXC_KIB) != VXC_OK) {
            return vxc_cli_fail_code(cli, VXC_ENOMEM, "");
        }
        got = fread(input->data + input->size, 1, 64u * VXC_KIB, file);
        input->size += got;
        if (input->size > VXC_VALUE_SIZE_MAX) {
            return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                                "%s has more than %u bytes, which is the limit "
                                "of a value",
                                name, VXC_VALUE_SIZE_MAX);
        }
    } while (got > 0);
    if (ferror(file)) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "%s: %s", name, strerror(errno));
    }
    *bytes = bytes_of(input);
    return 0;
}

int vxc_cli_read_file(struct vxc_cli *cli, const char *path, struct vxc_bytes *bytes)
{
    FILE *file;
    int rc;

    if (strcmp(path, "-") == 0) {
        return read_stream(cli, stdin, "standard input", bytes);
    }
    file = fopen(path, "re");
    if (file == NULL) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "%s: %s", path, strerror(errno));
    }
    rc = read_stream(cli, file, path, bytes);
    (void)fclose(file); /* was only read */
    return rc;
}

int vxc_cli_bytes(struct vxc_cli *cli, const char *argument, bool base64, bool stdin_too,
                  struct vxc_bytes *bytes)
{
    struct vxc_buffer *input = NULL;
    int rc;

    if (stdin_too && strcmp(argument, "-") == 0) {
        return vxc_cli_read_file(cli, argument, bytes);
    }
    if (!base64) {
        *bytes = vxc_text(argument);
        return 0;
    }
    rc = new_input(cli, &input);
    if (rc != 0) {
        return rc;
    }
    if (vxc_text_base64_decode(vxc_slice_of_string(argument), input) != VXC_OK) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "\"%s\" is not base64", argument);
    }
    *bytes = bytes_of(input);
    return 0;
}
