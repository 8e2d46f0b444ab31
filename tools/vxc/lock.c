#include "base/error.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/lock_wait.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

/* ---- list, info ---- */

static void put_lock(struct vxc_cli *cli, struct vxc_bytes name, const struct vxc_lock_record *l)
{
    vxc_out_bytes(&cli->out, slice_of(name));
    vxc_out_bool(&cli->out, l->held);
    if (l->held) {
        vxc_out_u64(&cli->out, l->session);
        vxc_out_bytes(&cli->out, slice_of(l->owner));
        vxc_out_u64(&cli->out, l->token);
    } else {
        vxc_out_null(&cli->out);
        vxc_out_null(&cli->out);
        vxc_out_null(&cli->out);
    }
    vxc_out_u64(&cli->out, l->waiting);
}

static void on_lock(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    struct vxc_lock_record l;

    if (vxc_lock_record_read(second, &l) != VXC_OK) {
        vxc_cli_say(cli, "a lock record that this version cannot read was left out");
        return;
    }
    put_lock(cli, first, &l);
    vxc_out_end_row(&cli->out);
}

static int run_list(struct vxc_cli *cli)
{
    static const char *const columns[] = {"name",  "held",    "session", "owner",
                                          "token", "waiting", NULL};
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_LIST);

    vxc_out_begin(&cli->out, columns);
    const int rc = vxc_cli_pages(cli, &request, on_lock);
    if (rc == 0 || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    return rc;
}

/* The queue as a JSON list, first in line first. */
static int queue_json(struct vxc_rows waiters, struct vxc_buffer *out)
{
    struct vxc_bytes bytes, none;
    bool comma = false;
    int rc = vxc_buffer_put_u8(out, '[');

    while (rc == VXC_OK && vxc_rows_next(&waiters, &bytes, &none)) {
        struct vxc_waiter_record w;
        char text[96];
        if (vxc_waiter_record_read(bytes, &w) != VXC_OK) {
            continue;
        }
        int size =
            snprintf(text, sizeof text, "%s{\"session\":%" PRIu64 ",", comma ? "," : "", w.session);
        rc = vxc_buffer_append(out, text, (size_t)size);
        if (rc == VXC_OK) {
            rc = vxc_text_json_member(out, "owner", slice_of(w.owner));
        }
        size = snprintf(text, sizeof text, ",\"wait_ms\":%" PRId64 "}", w.wait_ms);
        if (rc == VXC_OK) {
            rc = vxc_buffer_append(out, text, (size_t)size);
        }
        comma = true;
    }
    return rc == VXC_OK ? vxc_buffer_put_u8(out, ']') : rc;
}

static int run_info(struct vxc_cli *cli)
{
    static const char *const columns[] = {"name",  "held",    "session", "owner",
                                          "token", "waiting", "queue",   NULL};
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_GET);
    struct vxc_buffer queue = {0};
    struct vxc_lock_record lock;
    struct vxc_reply reply;
    int rc;

    request.name = vxc_text(cli->argv[0]);
    rc = vxc_cli_call(cli, &request, &reply);
    if (rc != 0) {
        return rc;
    }
    if (!reply.found) {
        return VXC_EXIT_FALSE;
    }
    if (vxc_lock_record_read(reply.value, &lock) != VXC_OK ||
        queue_json(lock.waiters, &queue) != VXC_OK) {
        vxc_buffer_free(&queue);
        return vxc_cli_fail_code(cli, VXC_EPROTO, "the lock's record cannot be read");
    }
    vxc_out_begin_single(&cli->out, columns);
    put_lock(cli, request.name, &lock);
    vxc_out_json(&cli->out, vxc_buffer_slice(&queue));
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
    vxc_buffer_free(&queue);
    return VXC_EXIT_DONE;
}

/* ---- acquire, release: a lock that outlives the command ---- */

#define SECRET_SIZE 16u /* bytes that the server gives */

/* The handle holds what it takes to go on with the session: id, next sequence, token, secret. */
static int put_handle(struct vxc_cli *cli, uint64_t token)
{
    static const char *const columns[] = {"token", "handle", NULL};
    struct vxc_session_handle session;
    char handle[256];
    int size;

    vxc_client_session_handle(cli->client, &session);
    size = snprintf(handle, sizeof handle, "%" PRIu64 ".%" PRIu64 ".%" PRIu64 ".", session.session,
                    session.next_sequence, token);
    for (size_t i = 0; i < session.secret_size && size + 2 < (int)sizeof handle; i++) {
        size += snprintf(handle + size, sizeof handle - (size_t)size, "%02x", session.secret[i]);
    }
    vxc_out_begin_single(&cli->out, columns);
    vxc_out_u64(&cli->out, token);
    vxc_out_text(&cli->out, handle);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
    return VXC_EXIT_DONE;
}

static int run_acquire(struct vxc_cli *cli)
{
    struct vxc_lock_wait wait;
    int signals;
    int rc = vxc_lock_wait_options(cli, &wait);

    if (rc == 0) {
        rc = vxc_cli_signals(cli, 0, &signals);
    }
    if (rc == 0) {
        rc = vxc_cli_session(cli, wait.lease_ms);
    }
    if (rc == 0) {
        rc = vxc_lock_wait_acquire(cli, &wait, cli->argv[0], signals);
        if (rc != 0 && cli->client != NULL) {
            (void)vxc_client_session_close(cli->client); /* else its lease ends it */
        }
    }
    if (rc != 0) {
        return rc;
    }
    vxc_cli_say(cli, "held until released, at most %u ms", wait.lease_ms);
    return put_handle(cli, wait.token);
}

/* The three numbers in front of the secret; *handle is left at the secret. */
static bool read_numbers(const char **handle, uint64_t numbers[3])
{
    for (int i = 0; i < 3; i++) {
        const size_t size = strcspn(*handle, ".");
        char text[24];
        if ((*handle)[size] != '.' || size >= sizeof text) {
            return false;
        }
        memcpy(text, *handle, size);
        text[size] = '\0';
        if (vxc_text_u64(text, &numbers[i]) != VXC_OK) {
            return false;
        }
        *handle += size + 1;
    }
    return true;
}

static int run_release(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_RELEASE);
    const char *handle = cli->argv[1];
    uint64_t numbers[3]; /* session, next sequence, token */
    struct vxc_reply reply;
    struct vxc_session_handle session = {.secret_size = SECRET_SIZE};
    int rc;

    if (!read_numbers(&handle, numbers) ||
        vxc_text_hex_decode(handle, session.secret, SECRET_SIZE) != VXC_OK) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                            "\"%s\" is not a handle that `vxc lock acquire` printed", cli->argv[1]);
    }
    rc = vxc_cli_client(cli);
    if (rc != 0) {
        return rc;
    }
    session.session = numbers[0];
    session.next_sequence = numbers[1];
    rc = vxc_client_session_resume(cli->client, &session);
    if (rc == VXC_ESESSION) {
        vxc_cli_say(cli, "the lease is over: the lock was given up before");
        return VXC_EXIT_FALSE;
    }
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    request.name = vxc_text(cli->argv[0]);
    request.id = numbers[2];
    rc = vxc_cli_call(cli, &request, &reply);
    (void)vxc_client_session_close(cli->client); /* it was only for this lock */
    return rc != 0 ? rc : reply.found ? VXC_EXIT_DONE : VXC_EXIT_FALSE;
}

#define WAITS (VXC_OPTION_BIT(WAIT) | VXC_OPTION_BIT(NO_WAIT) | VXC_OPTION_BIT(LEASE))

const struct vxc_cli_command vxc_lock_commands[] = {
    {.name = "run",
     .arguments = "LOCK -- COMMAND [ARGUMENT…]",
     .help = "run a command while holding a lock; its token is in VERTX_CLUSTER_FENCING_TOKEN",
     .args_min = 2,
     .args_max = -1,
     .options = WAITS,
     .stop_after = 2,
     .run = vxc_run_lock_run},
    {.name = "list",
     .arguments = "",
     .help = "locks of the namespace",
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_list},
    {.name = "info",
     .arguments = "LOCK",
     .help = "holder and queue; exit 1 when there is no such lock",
     .args_min = 1,
     .args_max = 1,
     .run = run_info},
    {.name = "acquire",
     .arguments = "LOCK",
     .help = "take a lock for the time of --lease; show its token and a handle",
     .args_min = 1,
     .args_max = 1,
     .options = WAITS,
     .run = run_acquire},
    {.name = "release",
     .arguments = "LOCK HANDLE",
     .help = "give a lock back that `acquire` took; exit 1 when it was not held any more",
     .args_min = 2,
     .args_max = 2,
     .run = run_release},
    {.name = "destroy",
     .arguments = "LOCK",
     .help = "remove a lock that is free; exit 1 when there is none",
     .args_min = 1,
     .args_max = 1,
     .operation = VXC_CALL_LOCK_DESTROY,
     .fields = "n",
     .show = VXC_SHOW_DONE,
     .destructive = true},
    {0},
};
