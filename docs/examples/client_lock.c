/* A lock: created by acquiring it, used under its fencing token, released. client_lock ENDPOINT */
#include <vxc/client.h>

#include <inttypes.h>
#include <stdio.h>

/* What a holder must know: it may have lost what it believes to hold. */
static void on_notice(void *data, const struct vxc_notice *notice)
{
    (void)data;
    if (notice->type == VXC_NOTICE_LOCK_LOST) {
        fprintf(stderr, "lost %.*s, token %" PRIu64 ": %s\n", (int)notice->name.size,
                (const char *)notice->name.data, notice->token, notice->text);
    } else if (notice->type == VXC_NOTICE_SESSION_DOUBTFUL) {
        fprintf(stderr, "%s: stop until we know\n", notice->text);
    }
}

static int with_lock(struct vxc_client *client)
{
    struct vxc_request acquire = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct vxc_request release = vxc_request(VXC_CALL_LOCK_RELEASE);
    struct vxc_reply reply;
    int rc;

    acquire.name = release.name = vxc_text("deploy");
    acquire.number = 2000; /* wait so many ms; 0 = do not wait, -1 = for ever */
    rc = vxc_client_call(client, &acquire, &reply);
    if (rc == VXC_OK && !reply.found) {
        rc = VXC_EBUSY; /* somebody else held it all the time */
    }
    release.id = reply.token;
    vxc_reply_free(&reply);
    if (rc != VXC_OK) {
        return rc;
    }
    /* Whatever the lock protects is given the token, and refuses smaller ones. */
    printf("I hold the lock, fencing token %" PRIu64 "\n", release.id);
    rc = vxc_client_call(client, &release, &reply);
    printf("released: %s\n", reply.found ? "yes" : "it was not ours any more");
    vxc_reply_free(&reply);
    return rc;
}

int main(int argc, char **argv)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client;
    int rc;

    options.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400";
    options.on_notice = on_notice;
    rc = vxc_client_create(&options, &client);
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", options.endpoints, vxc_strerror(rc));
        return 1;
    }
    /* Locks belong to a session: it lives for 10 s without a sign of life, then they are free. */
    rc = vxc_client_session_open(client, 10000, vxc_text("client_lock"));
    if (rc == VXC_OK) {
        rc = with_lock(client);
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", vxc_strerror(rc), vxc_client_message(client));
    }
    (void)vxc_client_session_close(client); /* else its lease ends it */
    vxc_client_free(client);
    return rc == VXC_OK ? 0 : 1;
}
