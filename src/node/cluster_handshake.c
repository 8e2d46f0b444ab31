/* How a connection comes to be proved, and refusals on both sides.
 *
 * A proof is HMAC-SHA-256, keyed by the secret, of a word for the direction, the payload of
 * peer_hello, and the payload of peer_challenge up to its proof. Both hold a nonce of their side, so
 * neither an old proof nor one that was made for somebody else is of use; the word keeps one side from
 * handing the other its own proof back. Without a secret a proof is empty.
 *
 * What concerns the disk and the membership of a node is judged, and told, only behind its proof. So
 * nobody learns who the members are without the secret, and a node believes only a member that it may
 * not take part any more.
 */
#include "base/check.h"
#include "base/endpoint.h"
#include "node/cluster_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

static const char DIALER[] = "vxc peer: the one that dialed";
static const char ACCEPTOR[] = "vxc peer: the one that was dialed";

/* ---- proofs ---- */

/* Of what the transcript holds, the first `size` bytes. Empty without a secret. VXC_ENOMEM. */
static int prove(const struct link *link, const char *word, size_t size, uint8_t out[PROOF_SIZE],
                 struct vxc_slice *proof)
{
    const struct vxc_buffer *secret = &link->cluster->secret;
    struct vxc_buffer message = {0};
    unsigned length = 0;
    int rv = 0;

    *proof = vxc_slice(out, 0);
    if (secret->size == 0) {
        return 0;
    }
    rv = vxc_buffer_append(&message, word, strlen(word) + 1);
    rv = rv != 0 ? rv : vxc_buffer_append(&message, link->transcript.data, size);
    if (rv == 0 && HMAC(EVP_sha256(), secret->data, (int)secret->size, message.data, message.size,
                        out, &length) == NULL) {
        rv = VXC_ENOMEM; /* all else it could say is a mistake of ours */
    }
    vxc_buffer_free(&message);
    if (rv == 0) {
        vxc_check(length == PROOF_SIZE);
        *proof = vxc_slice(out, length);
    }
    return rv;
}

/* 0, VXC_ESECRET, VXC_ENOMEM. */
static int check_proof(const struct link *link, const char *word, size_t size,
                       struct vxc_slice proof)
{
    uint8_t ours[PROOF_SIZE];
    struct vxc_slice expected;
    int rv = prove(link, word, size, ours, &expected);

    if (rv == 0 && (proof.size != expected.size ||
                    CRYPTO_memcmp(proof.data, expected.data, proof.size) != 0)) {
        rv = VXC_ESECRET;
    }
    return rv;
}

/* ---- refusing and being refused ---- */

static void refuse(struct link *link, int code, const char *text)
{
    struct vxc_message m = {.kind = VXC_KIND_ERROR_REPLY};

    m.error_reply.code = code;
    m.error_reply.message = vxc_slice_of_string(text);
    vxc_cluster_log_refusal(link->cluster, vxc_cluster_peer(link->cluster, link->other.id),
                            "peer refused", code, vxc_conn_address(link->conn), text);
    (void)vxc_link_send(link, &m, VXC_FRAME_RESPONSE); /* else it hears only of the end */
    vxc_link_end(link, code, text, true);
}

/* What came does not belong here. */
static void give_up(struct link *link, int code, const char *text)
{
    vxc_cluster_log_refusal(link->cluster, link->peer, "peer connection ended", code,
                            vxc_conn_address(link->conn), text);
    vxc_link_end(link, code, text, false);
}

/* The text of a stranger, one line of it. */
static void copy_line(struct vxc_slice from, char *to, size_t size)
{
    size_t count = from.size < size - 1 ? from.size : size - 1;

    for (size_t i = 0; i < count; i++) {
        to[i] = (char)(from.data[i] >= 0x20 && from.data[i] != 0x7f ? from.data[i] : '?');
    }
    to[count] = '\0';
}

static void on_refused(struct link *link, const struct vxc_msg_error_reply *m)
{
    struct vxc_cluster *c = link->cluster;
    char text[VXC_ERROR_TEXT_MAX];
    int code = m->code < 0 && m->code >= INT16_MIN ? (int)m->code : VXC_EPROTO;

    copy_line(m->message, text, sizeof text);
    vxc_cluster_log_refusal(c, link->peer, "refused by peer", code, vxc_conn_address(link->conn),
                            text);
    /* it proved that it is of our cluster, and judged who we are */
    if (code == VXC_EFOREIGN && link->proved) {
        vxc_cluster_take_refusal(c, vxc_conn_address(link->conn), text);
    }
    vxc_link_end(link, code, text, false);
}

/* ---- hellos ---- */

static bool same_cluster(const struct vxc_cluster *c, struct vxc_slice id)
{
    struct vxc_slice ours = vxc_cluster_id(c);

    return id.size == 0 || ours.size == 0 || vxc_slice_equal(id, ours);
}

void vxc_link_greet(struct link *link)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_message m = {.kind = VXC_KIND_PEER_HELLO};
    struct vxc_replica_status status = {.last_index = c->stand_in.last_index};
    uint8_t nonce[NONCE_SIZE];

    if (c->replica == NULL && !c->stands_in) { /* the end of the log is not known at present */
        vxc_link_end(link, VXC_EBUSY, "an image is being put in place", false);
        return;
    }
    if (c->replica != NULL) {
        vxc_replica_status(c->replica, &status);
    }
    c->clock->random(c->clock->data, nonce, sizeof nonce);
    m.peer_hello.version_min = PEER_PROTOCOL_VERSION;
    m.peer_hello.version_max = PEER_PROTOCOL_VERSION;
    m.peer_hello.cluster_id = vxc_cluster_id(c);
    m.peer_hello.node_id = c->node_id;
    m.peer_hello.target_id = link->peer->id;
    m.peer_hello.incarnation = c->incarnation;
    m.peer_hello.life = c->life;
    m.peer_hello.last_index = status.last_index;
    m.peer_hello.address = vxc_slice_of_string(c->address);
    m.peer_hello.nonce = vxc_slice(nonce, sizeof nonce);
    if (vxc_message_encode(&m, &link->transcript) != 0 ||
        vxc_link_send(link, &m, VXC_FRAME_REQUEST) != 0) {
        vxc_link_end(link, VXC_ENOMEM, "out of memory", false);
        return;
    }
    link->state = LINK_HELLO;
}

/* Where it says that it can be reached; "" when that is nothing to go by. */
static void take_address(struct vxc_slice said, char address[VXC_ADDRESS_TEXT_MAX])
{
    struct vxc_endpoint endpoint;

    copy_line(said, address, VXC_ADDRESS_TEXT_MAX);
    if (vxc_endpoint_parse(address, strlen(address), &endpoint) != 0 ||
        vxc_host_is_wildcard(endpoint.host)) {
        address[0] = '\0';
    }
}

/* Who says hello, as far as it can be taken before anything is proved. */
static int take_hello(struct link *link, const struct vxc_msg_peer_hello *m, struct vxc_error *err)
{
    struct vxc_cluster *c = link->cluster;
    struct introduction *who = &link->other;

    if (m->node_id == 0 || m->incarnation == 0 || m->life == 0 || m->nonce.size != NONCE_SIZE ||
        m->address.size >= sizeof who->address ||
        (m->cluster_id.size != 0 && m->cluster_id.size != CLUSTER_ID_SIZE)) {
        return vxc_error_set(err, VXC_EPROTO, "not the hello of a node");
    }
    who->id = m->node_id;
    who->incarnation = m->incarnation;
    who->life = m->life;
    who->last_index = m->last_index;
    who->of_cluster = m->cluster_id.size != 0 && same_cluster(c, m->cluster_id);
    take_address(m->address, who->address);
    if (m->version_min > PEER_PROTOCOL_VERSION || m->version_max < PEER_PROTOCOL_VERSION) {
        return vxc_error_set(err, VXC_EVERSION,
                             "node %llu speaks versions %u to %u of the protocol between nodes, "
                             "node %llu version %u: run releases that have one in common",
                             (unsigned long long)m->node_id, m->version_min, m->version_max,
                             (unsigned long long)c->node_id, PEER_PROTOCOL_VERSION);
    }
    if (m->target_id != 0 && m->target_id != c->node_id) {
        return vxc_error_set(
            err, VXC_EADDRESS,
            "node %llu was meant, but node %llu is here: one of the addresses that "
            "the cluster has for them is wrong",
            (unsigned long long)m->target_id, (unsigned long long)c->node_id);
    }
    if (m->node_id == c->node_id) {
        return vxc_error_set(err, VXC_EEXISTS,
                             "node %llu is here already: give each node a --node-id of its own",
                             (unsigned long long)c->node_id);
    }
    if (!same_cluster(c, m->cluster_id)) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "node %llu is of another cluster: an address leads to the wrong node, "
                             "or its --data is another cluster's",
                             (unsigned long long)m->node_id);
    }
    return 0;
}

void vxc_link_on_hello(struct link *link, const struct vxc_frame *frame)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_message m;
    struct vxc_message answer = {.kind = VXC_KIND_PEER_CHALLENGE};
    struct vxc_error err = {0};
    uint8_t nonce[NONCE_SIZE];
    uint8_t proof[PROOF_SIZE];
    int rv = vxc_message_decode(VXC_KIND_PEER_HELLO, frame->payload, &m);

    rv = rv != 0 ? vxc_error_set(&err, rv, "not the hello of a node")
                 : take_hello(link, &m.peer_hello, &err);
    if (rv != 0) {
        refuse(link, rv, err.text);
        return;
    }
    c->clock->random(c->clock->data, nonce, sizeof nonce);
    answer.peer_challenge.version = PEER_PROTOCOL_VERSION;
    answer.peer_challenge.cluster_id = vxc_cluster_id(c);
    answer.peer_challenge.node_id = c->node_id;
    answer.peer_challenge.incarnation = c->incarnation;
    answer.peer_challenge.life = c->life;
    answer.peer_challenge.nonce = vxc_slice(nonce, sizeof nonce);
    rv = vxc_buffer_append(&link->transcript, frame->payload.data, frame->payload.size);
    rv = rv != 0 ? rv : vxc_message_encode(&answer, &link->transcript);
    if (rv == 0) {
        link->transcript.size -= 4; /* the length of the proof, which is not there yet */
        rv = prove(link, ACCEPTOR, link->transcript.size, proof, &answer.peer_challenge.proof);
    }
    rv = rv != 0 ? rv : vxc_link_send(link, &answer, VXC_FRAME_RESPONSE);
    if (rv != 0) {
        vxc_link_end(link, rv, "out of memory", false);
    }
}

/* ---- the dialer's side ---- */

static int take_challenge(struct link *link, const struct vxc_msg_peer_challenge *m,
                          struct vxc_error *err)
{
    struct vxc_cluster *c = link->cluster;

    if (m->node_id == 0 || m->incarnation == 0 || m->nonce.size != NONCE_SIZE ||
        (m->cluster_id.size != 0 && m->cluster_id.size != CLUSTER_ID_SIZE)) {
        return vxc_error_set(err, VXC_EPROTO, "not the challenge of a node");
    }
    if (m->version != PEER_PROTOCOL_VERSION) {
        return vxc_error_set(err, VXC_EVERSION,
                             "node %llu answers in version %u of the protocol between nodes",
                             (unsigned long long)m->node_id, m->version);
    }
    if (m->node_id == c->node_id || (link->peer->id != 0 && m->node_id != link->peer->id)) {
        return vxc_error_set(err, VXC_EADDRESS, "node %llu was meant, but node %llu answers",
                             (unsigned long long)link->peer->id, (unsigned long long)m->node_id);
    }
    if (!same_cluster(c, m->cluster_id)) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "node %llu is of another cluster: its address leads to the wrong node",
                             (unsigned long long)m->node_id);
    }
    link->other.id = m->node_id;
    link->other.incarnation = m->incarnation;
    link->other.life = m->life;
    return 0;
}

/* An address of --join has a name now. false: there is a peer of that id, which is enough. */
static bool name_peer(struct link *link)
{
    struct vxc_cluster *c = link->cluster;
    struct peer *peer = link->peer;
    struct peer *named;

    if (peer->id != 0) {
        return true;
    }
    named = vxc_cluster_peer(c, link->other.id);
    if (named == NULL) {
        peer->id = link->other.id;
        return true;
    }
    if (named->given[0] == '\0') {
        (void)snprintf(named->given, sizeof named->given, "%s", peer->given);
    }
    return false;
}

static void on_challenge(struct link *link, const struct vxc_frame *frame)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_message m;
    struct vxc_message answer = {.kind = VXC_KIND_PEER_PROOF};
    struct vxc_error err = {0};
    uint8_t proof[PROOF_SIZE];
    size_t signed_size;
    int rv = vxc_message_decode(VXC_KIND_PEER_CHALLENGE, frame->payload, &m);

    rv = rv != 0 ? vxc_error_set(&err, VXC_EPROTO, "not the challenge of a node")
                 : take_challenge(link, &m.peer_challenge, &err);
    if (rv == 0) {
        /* as it was sent, up to the length of the proof */
        signed_size = m.peer_challenge.proof.size == 0
                          ? frame->payload.size - 4
                          : (size_t)(m.peer_challenge.proof.data - frame->payload.data) - 4;
        rv = vxc_buffer_append(&link->transcript, frame->payload.data, signed_size);
    }
    rv = rv != 0 ? rv : check_proof(link, ACCEPTOR, link->transcript.size, m.peer_challenge.proof);
    if (rv == VXC_ESECRET) {
        (void)vxc_error_set(&err, rv, "node %llu has another secret than this one (--secret-file)",
                            (unsigned long long)link->other.id);
    }
    rv = rv != 0 ? rv : vxc_cluster_admit(c, &link->other, false, &err);
    if (rv == 0 && !name_peer(link)) {
        rv = vxc_error_set(&err, VXC_EEXISTS, "node %llu is known by another address",
                           (unsigned long long)link->other.id);
    }
    if (rv != 0) {
        give_up(link, rv, err.code != 0 ? err.text : vxc_strerror(rv));
        return;
    }
    link->proved = true;
    rv = prove(link, DIALER, link->transcript.size, proof, &answer.peer_proof.proof);
    rv = rv != 0 ? rv : vxc_link_send(link, &answer, VXC_FRAME_REQUEST);
    if (rv != 0) {
        vxc_link_end(link, rv, "out of memory", false);
        return;
    }
    link->state = LINK_PROOF;
}

/* ---- the acceptor's side ---- */

static void on_proof(struct link *link, const struct vxc_frame *frame)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_message m;
    struct vxc_message welcome = {.kind = VXC_KIND_PEER_WELCOME};
    struct vxc_error err = {0};
    int rv = vxc_message_decode(VXC_KIND_PEER_PROOF, frame->payload, &m);

    rv =
        rv != 0 ? VXC_EPROTO : check_proof(link, DIALER, link->transcript.size, m.peer_proof.proof);
    if (rv == VXC_ESECRET) {
        (void)vxc_error_set(&err, rv,
                            "node %llu does not have the secret of node %llu: give all nodes of a "
                            "cluster the same --secret-file",
                            (unsigned long long)link->other.id, (unsigned long long)c->node_id);
    }
    rv = rv != 0 ? rv : vxc_cluster_admit(c, &link->other, true, &err);
    if (rv == 0 && vxc_cluster_add_peer(c, link->other.id) == NULL) {
        rv = VXC_ELIMIT;
    }
    if (rv != 0) {
        refuse(link, rv, err.code != 0 ? err.text : vxc_strerror(rv));
        return;
    }
    link->proved = true;
    rv = vxc_link_send(link, &welcome, VXC_FRAME_RESPONSE);
    if (rv != 0) {
        vxc_link_end(link, rv, "out of memory", false);
        return;
    }
    vxc_link_opened(link);
}

void vxc_link_on_handshake(struct link *link, const struct vxc_frame *frame)
{
    struct vxc_message m;

    if (link->outgoing && frame->kind == VXC_KIND_ERROR_REPLY &&
        vxc_message_decode(frame->kind, frame->payload, &m) == 0) {
        on_refused(link, &m.error_reply);
    } else if (link->state == LINK_HELLO && frame->kind == VXC_KIND_PEER_CHALLENGE) {
        on_challenge(link, frame);
    } else if (link->state == LINK_PROOF && link->outgoing &&
               frame->kind == VXC_KIND_PEER_WELCOME) {
        vxc_link_opened(link);
    } else if (link->state == LINK_PROOF && !link->outgoing && frame->kind == VXC_KIND_PEER_PROOF) {
        on_proof(link, frame);
    } else {
        give_up(link, VXC_EPROTO, "a message that does not belong into the handshake of nodes");
    }
}
