package io.bop.vxc.core;

import io.bop.vxc.VxcError;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.nio.charset.StandardCharsets;

/** What a reply says, whichever of the error kinds it comes in. */
final class Replies {
    private Replies() {
    }

    /** The error that it reports, {@code null} when it reports none. */
    static VxcError error(Message reply) {
        switch (reply.kind) {
            case ERROR_REPLY:
                return VxcError.of(reply.number("code"));
            case LEGACY_ERROR:
                return VxcError.EPROTO;
            case LEADER_REDIRECT:
                return VxcError.ENOTPRIMARY;
            default:
                return null;
        }
    }

    /** For people. */
    static String text(Message reply) {
        switch (reply.kind) {
            case ERROR_REPLY: {
                String text = reply.text("message");
                return text.isEmpty() ? error(reply).text : text;
            }
            case LEGACY_ERROR:
                return reply.text("error");
            case LEADER_REDIRECT:
                return "not the primary";
            default:
                return "";
        }
    }

    /** Where a refusal says that the primary is: the field, or the last word of the text; "" when it does not say. */
    static String primary(Message refusal) {
        if (refusal.kind == Kind.LEADER_REDIRECT) {
            byte[] address = refusal.bytes("leader_address");
            return address == null ? "" : new String(address, StandardCharsets.UTF_8);
        }
        String text = refusal.text("message");
        return text.substring(text.lastIndexOf(' ') + 1);
    }
}
