/* member: who belongs to the cluster, and changes of that. */
#include "base/clock.h"
#include "base/error.h"
#include "client/endpoint.h"

#include "tools/vxc/census.h"
#include "tools/vxc/progress.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { POLL_MS = 200, ANSWER_MS = 1000 };

/* ---- requests ---- */

/* A refusal is none of the command line's mistakes, whatever its code; the text says what to do. */
static int say_refusal(const struct vxc_cli *cli, int code, const char *text)
{
    return code == VXC_EINVAL ? vxc_cli_fail(cli, VXC_EXIT_REFUSED, "%s", text)
                              : vxc_cli_fail_code(cli, code, text);
}

static int change(struct vxc_cli *cli, const struct vxc_request *request, struct vxc_reply *reply)
{
    int rc = vxc_cli_client(cli);

    if (rc != 0) {
        return rc;
    }
    vxc_reply_free(&cli->kept);
    rc = vxc_client_call(cli->client, request, &cli->kept);
    *reply = cli->kept;
    return rc == VXC_OK ? 0 : say_refusal(cli, rc, reply->message);
}

static int read_id(const struct vxc_cli *cli, const char *text, uint64_t *id)
{
    if (vxc_text_u64(text, id) != VXC_OK || *id == 0) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "\"%s\" is not the id of a member", text);
    }
    return 0;
}

/* promote, remove, transfer: an id, and nothing to show but where it took effect. */
static int run_change(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(cli->command->operation);
    struct vxc_reply reply;
    int rc = cli->argc == 0 ? 0 : read_id(cli, cli->argv[0], &request.id);

    if (rc == 0) {
        rc = change(cli, &request, &reply);
    }
    if (rc == 0) {
        vxc_cli_show_done(cli, &reply);
    }
    return rc;
}

/* ---- list ---- */

static int run_list(struct vxc_cli *cli)
{
    static const char *const columns[] = {"id",          "address",   "role",
                                          "match_index", "silent_ms", NULL};
    struct vxc_members members;
    int rc = vxc_cli_client(cli);

    if (rc != 0) {
        return rc;
    }
    rc = vxc_members_ask(cli, false, 0, &members);
    if (rc == VXC_ENOTPRIMARY) { /* better an old list than none */
        vxc_cli_say(cli, "there is no primary now: this is what a backup knows");
        rc = vxc_members_ask(cli, true, 0, &members);
    }
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    vxc_out_begin(&cli->out, columns);
    for (size_t i = 0; i < members.count; i++) {
        const struct vxc_member *member = &members.list[i];
        vxc_out_u64(&cli->out, member->id);
        vxc_out_text(&cli->out, member->address);
        vxc_out_text(&cli->out, vxc_member_role(member));
        vxc_out_u64(&cli->out, member->match_index);
        if (member->silent_ms >= 0) {
            vxc_out_i64(&cli->out, member->silent_ms);
        } else {
            vxc_out_null(&cli->out);
        }
        vxc_out_end_row(&cli->out);
    }
    vxc_out_end(&cli->out);
    return VXC_EXIT_DONE;
}

/* ---- add ---- */

/* Where the new node finds the others: the primary first. */
static void put_places(const struct vxc_members *members, uint64_t new_id, struct vxc_buffer *out)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < members->count; i++) {
            const struct vxc_member *m = &members->list[i];
            const bool first = m->rank == VXC_RANK_PRIMARY;
            if (m->id == new_id || m->address[0] == '\0' || first != (round == 0)) {
                continue;
            }
            (void)vxc_buffer_append(out, ",", out->size > 0 ? 1 : 0);
            (void)vxc_buffer_append(out, m->address, strlen(m->address));
        }
    }
    (void)vxc_buffer_put_u8(out, 0); /* out of memory shortens a line that a person reads */
}

/* The command that starts the new node, to be copied as it stands. */
static void show_command(struct vxc_cli *cli, uint64_t id, const struct vxc_endpoint *endpoint,
                         const char *address, const char *places)
{
    static const char *const columns[] = {"id", "address", "command", NULL};
    const bool loopback = strcmp(endpoint->host, "127.0.0.1") == 0;
    char host[2 * VXC_ENDPOINT_HOST_MAX + 64] = "";
    char command[4096 + sizeof host];

    if (!loopback) {
        (void)snprintf(host, sizeof host, " --host %s --i-accept-plaintext-on %s", endpoint->host,
                       endpoint->host);
    }
    (void)snprintf(command, sizeof command,
                   "vxcd --data ./vxc-data-%" PRIu64 " --node-id %" PRIu64 "%s --port %s --join %s",
                   id, id, host, endpoint->port, places);
    if (cli->out.mode == VXC_OUT_TABLE || cli->out.mode == VXC_OUT_RAW) {
        vxc_out_plain(&cli->out, vxc_slice_of_string(command));
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
    } else {
        vxc_out_begin_single(&cli->out, columns);
        vxc_out_u64(&cli->out, id);
        vxc_out_text(&cli->out, address);
        vxc_out_text(&cli->out, command);
        vxc_out_end_row(&cli->out);
        vxc_out_end(&cli->out);
    }
    (void)fflush(cli->out.file); /* whoever reads it has to start the node before we go on */
}

/* Waiting for a new member. */
struct joining {
    uint64_t id;
    int signals;
    uint64_t give_up_ms; /* UINT64_MAX = never */
    uint64_t goal;       /* the primary's index at the look before this one */
    struct vxc_bar bar;
};

static uint64_t now_ms(void)
{
    return vxc_clock_ms(vxc_clock_system());
}

/* Nothing of the log is there yet: the node has not been started, or it gets an image of the state. */
static void draw_beginning(struct vxc_cli *cli, struct joining *j, const char *address)
{
    json_t *status = j->bar.shown ? vxc_census_ask(cli, address, ANSWER_MS) : NULL;
    const json_t *image = json_object_get(status, "image");
    const uint64_t done = vxc_census_number(image, "fetched_bytes");
    const uint64_t total = vxc_census_number(image, "fetched_of_bytes");
    char text[64];

    if (total == 0) {
        vxc_bar_draw(&j->bar, "waiting", 0,
                     status == NULL ? "  for the node to be started"
                                    : "  for the node to be heard");
    } else {
        (void)snprintf(text, sizeof text, "  %.0f of %.0f MB of the state", (double)done / 1e6,
                       (double)total / 1e6);
        vxc_bar_draw(&j->bar, done < total ? "fetching" : "checking", (double)done / (double)total,
                     text);
    }
    json_decref(status);
}

/* True once it has what the primary had a moment ago. Failures pass: the next look may do better. */
static bool has_caught_up(struct vxc_cli *cli, struct joining *j)
{
    const struct vxc_member *member, *primary;
    struct vxc_members members;
    uint64_t goal = j->goal;
    char text[64];

    if (vxc_members_ask(cli, false, ANSWER_MS, &members) != VXC_OK) {
        vxc_bar_draw(&j->bar, "waiting", 0, "  no answer from a primary");
        return false;
    }
    member = vxc_members_find(&members, j->id);
    primary = vxc_members_primary(&members);
    if (member == NULL || primary == NULL) {
        return false;
    }
    j->goal = primary->match_index;
    if (member->match_index == 0) {
        draw_beginning(cli, j, member->address);
        return false;
    }
    (void)snprintf(text, sizeof text, "  index %" PRIu64 " of %" PRIu64, member->match_index,
                   j->goal);
    vxc_bar_draw(&j->bar, "catching up",
                 (double)member->match_index / (double)(j->goal > 0 ? j->goal : 1), text);
    return goal > 0 && member->match_index >= goal;
}

/* 0: it is done. VXC_EBUSY: not yet. */
static int promote(struct vxc_cli *cli, uint64_t id)
{
    struct vxc_request request = vxc_request(VXC_CALL_MEMBER_PROMOTE);

    request.id = id;
    return vxc_client_call(cli->client, &request, NULL);
}

/* Sleeps; the number of the signal that came, else 0. */
static int nap(struct vxc_cli *cli, const struct joining *j)
{
    const uint64_t until_ms = now_ms() + POLL_MS;
    struct signalfd_siginfo info;

    for (uint64_t now = now_ms(); now < until_ms; now = now_ms()) {
        if (vxc_cli_poll(cli, j->signals, (int64_t)(until_ms - now)) &&
            read(j->signals, &info, sizeof info) > 0) {
            return (int)info.ssi_signo;
        }
    }
    return 0;
}

static int see_through(struct vxc_cli *cli, struct joining *j)
{
    const bool standby = vxc_cli_has(cli, VXC_OPTION_STANDBY);

    for (;;) {
        int rc = has_caught_up(cli, j) ? VXC_OK : VXC_EBUSY;
        if (rc == VXC_OK && !standby) {
            rc = promote(cli, j->id);
        }
        if (rc == VXC_OK) {
            vxc_bar_clear(&j->bar);
            vxc_cli_say(cli, "node %" PRIu64 " has caught up and is a %s", j->id,
                        standby ? "standby" : "voter");
            return VXC_EXIT_DONE;
        }
        if (rc != VXC_EBUSY && rc != VXC_ENOTPRIMARY && rc != VXC_ETIMEOUT) {
            vxc_bar_clear(&j->bar);
            return say_refusal(cli, rc, vxc_client_message(cli->client));
        }
        const int signal_number = nap(cli, j);
        if (signal_number == 0 && now_ms() < j->give_up_ms) {
            continue;
        }
        vxc_bar_clear(&j->bar);
        vxc_cli_say(cli, "node %" PRIu64 " stays a standby; later: vxc member promote %" PRIu64,
                    j->id, j->id);
        return signal_number != 0 ? VXC_EXIT_SIGNAL + signal_number
                                  : vxc_cli_fail(cli, VXC_EXIT_TIMEOUT,
                                                 "node %" PRIu64 " has not caught up yet", j->id);
    }
}

static int await_member(struct vxc_cli *cli, uint64_t id)
{
    struct joining j = {.id = id, .signals = -1};
    uint64_t wait_ms;
    int rc = vxc_cli_time(cli, VXC_OPTION_WAIT, 0, &wait_ms);

    if (rc == 0) {
        rc = vxc_cli_signals(cli, 0, &j.signals);
    }
    if (rc != 0) {
        return rc;
    }
    j.give_up_ms = vxc_cli_has(cli, VXC_OPTION_WAIT) ? now_ms() + wait_ms : UINT64_MAX;
    vxc_bar_init(&j.bar, cli);
    vxc_cli_say(cli, "node %" PRIu64 " is a standby: start it with this command%s", id,
                vxc_cli_has(cli, VXC_OPTION_STANDBY)
                    ? ""
                    : "; it becomes a voter when it has caught up (Ctrl-C leaves it a standby)");
    rc = see_through(cli, &j);
    (void)close(j.signals); /* the signals stay blocked: the run ends here */
    return rc;
}

static int run_add(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_MEMBER_ADD);
    struct vxc_endpoint endpoints[VXC_ENDPOINTS_MAX];
    struct vxc_buffer places = {0};
    struct vxc_members members;
    struct vxc_reply reply;
    uint64_t wait_ms;
    size_t count;
    int rc = vxc_cli_count(cli, VXC_OPTION_ID, 1, INT64_MAX, 0, &request.id);

    if (rc == 0) {
        rc = vxc_cli_time(cli, VXC_OPTION_WAIT, 0, &wait_ms); /* wrong? then before it is added */
    }
    if (rc != 0) {
        return rc;
    }
    if (vxc_endpoints_parse(cli->argv[0], endpoints, &count, NULL) != VXC_OK || count != 1) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                            "\"%s\" is not where a node can be; expected HOST:PORT, as in "
                            "127.0.0.1:7400",
                            cli->argv[0]);
    }
    request.name = vxc_text(cli->argv[0]);
    rc = change(cli, &request, &reply);
    if (rc != 0) {
        return rc;
    }
    const uint64_t id = (uint64_t)reply.number;
    rc = vxc_members_ask(cli, false, 0, &members);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    put_places(&members, id, &places);
    show_command(cli, id, &endpoints[0], cli->argv[0],
                 places.data == NULL ? "" : (const char *)places.data);
    vxc_buffer_free(&places);
    return vxc_cli_has(cli, VXC_OPTION_NO_WAIT) ? VXC_EXIT_DONE : await_member(cli, id);
}

const struct vxc_cli_command vxc_member_commands[] = {
    {.name = "list",
     .arguments = "",
     .help = "id, address, role, how far each has the log, how long it is silent",
     .run = run_list},
    {.name = "add",
     .arguments = "ADDRESS",
     .help = "add a node: prints its command, waits until it has caught up, makes it a voter",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(ID) | VXC_OPTION_BIT(STANDBY) | VXC_OPTION_BIT(WAIT) |
                VXC_OPTION_BIT(NO_WAIT),
     .run = run_add},
    {.name = "promote",
     .arguments = "ID",
     .help = "make a standby that has caught up a voter",
     .args_min = 1,
     .args_max = 1,
     .operation = VXC_CALL_MEMBER_PROMOTE,
     .run = run_change},
    {.name = "remove",
     .arguments = "ID",
     .help = "take a member out of the cluster; its id never comes back",
     .args_min = 1,
     .args_max = 1,
     .operation = VXC_CALL_MEMBER_REMOVE,
     .run = run_change},
    {.name = "transfer",
     .arguments = "[ID]",
     .help = "make another voter the primary; without ID the best there is",
     .args_min = 0,
     .args_max = 1,
     .operation = VXC_CALL_MEMBER_TRANSFER,
     .run = run_change},
    {0},
};
