/* What a user of the installed library writes: C99 and C++ alike, with nothing of ours but it. */
#include <vxc.h>
#include <vxc/client.h>
#include <vxc/error.h>

#include <stdio.h>

/* install_program ENDPOINT: puts a value and reads it back. */
int main(int argc, char **argv)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_client *client = NULL;
    struct vxc_reply reply;
    int rc;

    options.endpoints = argc == 2 ? argv[1] : "";
    rc = vxc_client_create(&options, &client);
    if (rc != VXC_OK) {
        fprintf(stderr, "%s\n", vxc_strerror(rc));
        return 1;
    }
    put.name = get.name = vxc_text("installed");
    put.key = get.key = vxc_text("version");
    put.value = vxc_text(vxc_version());
    rc = vxc_client_call(client, &put, NULL);
    if (rc == VXC_OK) {
        rc = vxc_client_call(client, &get, &reply);
        if (rc == VXC_OK) {
            printf("%.*s\n", (int)reply.value.size, (const char *)reply.value.data);
        }
        vxc_reply_free(&reply);
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s\n", vxc_client_message(client));
    }
    vxc_client_free(client);
    return rc == VXC_OK ? 0 : 1;
}
