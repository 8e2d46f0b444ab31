#include "history/worker.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 20, NS_PER_MS = 1000000 };

/* ---- birth and death ---- */

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct worker *worker = data;

    if (notice->type == VXC_NOTICE_SESSION_EXPIRED) {
        worker->session_lost = true;
    } else if (notice->type == VXC_NOTICE_LOCK_QUEUED && worker->queued_ns == 0) {
        worker->queued_ns = now_ns();
    } else if (notice->type == VXC_NOTICE_DISCONNECTED) {
        worker->disconnects++;
    }
}

/* The list of endpoints, beginning with another one for each worker. */
static void turn_endpoints(char to[1024], const char *list, uint32_t by)
{
    uint32_t count = 1;
    const char *first = list;

    for (const char *at = strchr(list, ','); at != NULL; at = strchr(at + 1, ',')) {
        count++;
    }
    for (by %= count; by > 0; by--) {
        first = strchr(first, ',') + 1;
    }
    (void)snprintf(to, 1024, "%s%s%.*s", first, first == list ? "" : ",",
                   first == list ? 0 : (int)(first - list - 1), list); /* main saw that it fits */
}

static int create_client(struct worker *worker)
{
    struct vxc_client_options options = vxc_client_options();

    options.endpoints = worker->endpoints;
    options.client_name = "vxc-history";
    options.timeout_ms = worker->timeout_ms;
    options.data = worker;
    options.on_notice = on_notice;
    return vxc_client_create(&options, &worker->client);
}

static void take_number(struct worker *worker)
{
    worker->number = atomic_fetch_add(&worker->settings->next_client, 1);
}

int worker_init(struct worker *worker, struct settings *settings, uint32_t index)
{
    *worker = (struct worker){.settings = settings,
                              .random = settings->seed * UINT64_C(0x9e3779b97f4a7c15) + index};
    worker->impatient = index < settings->impatient;
    worker->idle = settings->clients - index <= settings->idle;
    worker->timeout_ms = worker->impatient ? settings->timeout_ms / 10 : settings->timeout_ms;
    turn_endpoints(worker->endpoints, settings->endpoints, index);
    take_number(worker);
    return create_client(worker);
}

/* splitmix64 */
uint64_t worker_random(struct worker *worker, uint64_t below)
{
    uint64_t z = (worker->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

void worker_pause(struct worker *worker, int64_t ms)
{
    const int64_t end_ns = now_ns() + ms * NS_PER_MS;
    int64_t left_ns;

    while ((left_ns = end_ns - now_ns()) > 0) {
        /* Callbacks count as something that happened: it may return early. */
        (void)vxc_client_wait(worker->client, (left_ns + NS_PER_MS - 1) / NS_PER_MS);
    }
}

/* ---- the session ---- */

/* The earliest moment at which the lease may have ended it. */
static int64_t lease_end_ns(const struct worker *worker)
{
    return worker->alive_ns + (int64_t)worker->settings->session_ms * NS_PER_MS;
}

static void record_session_end(struct worker *worker, int64_t begun_ns, enum outcome outcome,
                               int error)
{
    const struct record record = {
        .client = worker->number,
        .session = worker->session,
        .function = "session_end",
        .key = "",
        .begun_ns = begun_ns,
        .ended_ns = now_ns(),
        .outcome = outcome,
        .error = error,
        .endpoint = vxc_client_endpoint(worker->client),
    };

    record_write(&record);
    worker->session = 0;
    if (outcome == OUTCOME_INFO) {
        take_number(worker);
    }
}

static void renew_client(struct worker *worker)
{
    vxc_client_free(worker->client);
    worker->client = NULL;
    if (create_client(worker) != VXC_OK) {
        (void)fprintf(stderr, "vxc-history: a client cannot be made again\n");
        exit(1);
    }
}

/* Ends it: whatever it holds is free. An end that nobody confirmed may come at any time, at the latest
 * with the lease. */
static void end_session(struct worker *worker)
{
    const int64_t begun_ns = now_ns();
    const int64_t lease_ns = lease_end_ns(worker);
    int rc;

    if (worker->session == 0) {
        return;
    }
    rc = vxc_client_session_close(worker->client);
    record_session_end(worker, lease_ns < begun_ns ? lease_ns : begun_ns,
                       rc == VXC_OK ? OUTCOME_OK : OUTCOME_INFO, rc);
    worker->session_lost = false;
    if (rc != VXC_OK) {
        renew_client(worker);
    }
}

/* Goes to another server, without a word to the one that did not answer: the session ends with its
 * lease, which others may still see prolonged by what is under way. */
static void go_elsewhere(struct worker *worker)
{
    if (worker->session != 0) {
        record_session_end(worker, lease_end_ns(worker), OUTCOME_INFO, VXC_ETIMEOUT);
    }
    worker->session_lost = false;
    turn_endpoints(worker->endpoints, worker->settings->endpoints,
                   (uint32_t)worker_random(worker, 16));
    renew_client(worker);
}

static void note_lost_session(struct worker *worker)
{
    worker->session_lost = false;
    if (worker->session != 0) {
        record_count_lost_session();
        record_session_end(worker, lease_end_ns(worker), OUTCOME_OK, VXC_ESESSION);
    }
}

bool worker_has_session(struct worker *worker)
{
    if (worker->session_lost) {
        note_lost_session(worker);
    }
    while (worker->session == 0) {
        const int64_t begun_ns = now_ns();

        if (atomic_load(&worker->settings->stopping)) {
            return false;
        }
        if (vxc_client_session_open(worker->client, worker->settings->session_ms,
                                    vxc_text("vxc-history")) == VXC_OK) {
            worker->session = vxc_client_session(worker->client);
            worker->session_lost = false;
            worker->alive_ns = begun_ns;
        } else {
            worker_pause(worker, RETRY_MS);
        }
    }
    return true;
}

void worker_deinit(struct worker *worker)
{
    if (worker->session_lost) {
        note_lost_session(worker);
    }
    end_session(worker);
    vxc_client_free(worker->client);
}

/* ---- calls ---- */

/* An answer that refuses is certain when the request went out once: after a broken connection it was
 * asked again, and the refusal says nothing about the first time. */
static enum outcome outcome_of(int code, bool asked_once)
{
    switch (code) {
    case VXC_OK:
        return OUTCOME_OK;
    case VXC_EBUSY:
    case VXC_ENOSPC:
    case VXC_ELIMIT:
    case VXC_ESESSION:
        return asked_once ? OUTCOME_FAIL : OUTCOME_INFO;
    default:
        return OUTCOME_INFO;
    }
}

void worker_call(struct worker *worker, struct vxc_request *request, struct record *record,
                 struct vxc_reply *reply)
{
    const uint64_t disconnects = worker->disconnects;

    record->client = worker->number;
    record->session = worker->session;
    worker->queued_ns = 0;
    record->begun_ns = now_ns();
    record->error = vxc_client_call(worker->client, request, reply);
    record->ended_ns = now_ns();
    record->queued_ns = worker->queued_ns;
    record->outcome = outcome_of(record->error, disconnects == worker->disconnects);
    record->sequence = reply->sequence;
    record->index = record->error == VXC_OK ? reply->index : 0;
    record->endpoint = vxc_client_endpoint(worker->client);
    if (record->error == VXC_OK && !worker->session_lost) { /* a read needs no session */
        worker->alive_ns = record->begun_ns;
    }
}

void worker_record(struct worker *worker, struct record *record, const struct key *key)
{
    record_write(record);
    if (record->outcome == OUTCOME_INFO) {
        keys_note_unknown(worker->settings->keys, key);
        take_number(worker);
    }
    if (worker->session_lost) {
        note_lost_session(worker);
    } else if (record->outcome == OUTCOME_INFO && worker->impatient) {
        go_elsewhere(worker);
    } else if (record->outcome == OUTCOME_INFO && key->kind == KIND_LOCK) {
        end_session(worker);
    }
    if (record->error != VXC_OK) {
        worker_pause(worker, RETRY_MS); /* a cluster that refuses need not be asked all the time */
    }
}
