/* A thread of the library's: many requests under way from this one, their answers in callbacks
 * there, large values sent from where they lie. client_async ENDPOINT */
#include <vxc/client.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUES = 100, VALUE_SIZE = 64 * 1024 };

/* Shared by this thread and the callbacks: the program's own lock, not the library's. */
struct progress {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answered, failed;
};

static void on_stored(void *data, const struct vxc_reply *reply)
{
    struct progress *progress = data;

    (void)pthread_mutex_lock(&progress->lock);
    progress->answered++;
    progress->failed += reply->code != VXC_OK;
    (void)pthread_cond_signal(&progress->changed);
    (void)pthread_mutex_unlock(&progress->lock);
}

/* Each value is lent: it must stay as it is until its callback runs. */
static int submit_all(struct vxc_client *client, const char *values, struct progress *progress)
{
    for (int i = 0; i < VALUES; i++) {
        struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
        char key[16];
        int rc;

        (void)snprintf(key, sizeof key, "value-%d", i);
        put.name = vxc_text("large");
        put.key = vxc_text(key); /* copied */
        put.value = vxc_bytes(values + (size_t)i * VALUE_SIZE, VALUE_SIZE);
        put.flags = VXC_REQUEST_BORROW;
        rc = vxc_client_submit(client, &put, progress, on_stored);
        if (rc != VXC_OK) {
            return rc; /* this one has no callback; those before it have theirs */
        }
    }
    return VXC_OK;
}

static void wait_for_all(struct progress *progress)
{
    (void)pthread_mutex_lock(&progress->lock);
    while (progress->answered < VALUES) {
        (void)pthread_cond_wait(&progress->changed, &progress->lock);
    }
    (void)pthread_mutex_unlock(&progress->lock);
}

static int run(struct vxc_client *client, const char *values)
{
    struct progress progress = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .changed = PTHREAD_COND_INITIALIZER};
    struct vxc_request size = vxc_request(VXC_CALL_MAP_SIZE);
    struct vxc_reply reply;
    int rc = vxc_client_start(client);

    if (rc == VXC_OK) {
        rc = submit_all(client, values, &progress);
    }
    if (rc == VXC_OK) {
        wait_for_all(&progress);
        size.name = vxc_text("large"); /* calls work beside the thread */
        rc = vxc_client_call(client, &size, &reply);
        printf("%d answered, %d failed, %lld in the map\n", progress.answered, progress.failed,
               (long long)reply.number);
        rc = rc == VXC_OK && (progress.failed != 0 || reply.number != VALUES) ? VXC_EIO : rc;
        vxc_reply_free(&reply);
    }
    vxc_client_free(client); /* ends the thread; what is still under way gets its callback here */
    return rc;
}

int main(int argc, char **argv)
{
    struct vxc_client_options options = vxc_client_options();
    char *values = calloc(VALUES, VALUE_SIZE);
    struct vxc_client *client;
    int rc;

    options.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400";
    if (values == NULL) {
        return 1;
    }
    rc = vxc_client_create(&options, &client);
    if (rc == VXC_OK) {
        rc = run(client, values);
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s\n", vxc_strerror(rc));
    }
    free(values);
    return rc == VXC_OK ? 0 : 1;
}
