/// How large libcurl's buffers are, and how many handles may have large ones.
///
/// **Problem.** Each transfer has a buffer of libcurl's, and each handle that has sent content keeps another. A large one makes
/// content fast; 128 connections with the largest are 192 MiB that no budget knows of.
///
/// **Design.** A pure value. Of ``memory`` follow the size of the large buffers and how many handles have them; who finds no such
/// handle free gets small ones, and is a little slower. See CURLOPT_BUFFERSIZE(3) and CURLOPT_UPLOAD_BUFFERSIZE(3).
///
/// **Limits.** The small buffers come on top: up to 80 KiB a connection, touched as far as the request's and the answer's bytes go.
struct TransferBuffers: Sendable, Equatable {
    /// The buffers of answers that are a header and little more, and of requests that are not much longer, in bytes.
    static let smallReceive = 16 << 10
    static let smallSend = 64 << 10

    /// The bytes that all large buffers together may take.
    let memory: Int
    /// A large receive buffer in bytes: 64 KiB to 512 KiB. libcurl allocates one anew for each transfer, so a large one for a HEAD
    /// would cost more than it brings.
    let largeReceive: Int
    /// A large send buffer in bytes: 64 KiB to 1 MiB. It stays with the handle.
    let largeSend: Int
    /// How many handles may have large buffers: at least 2.
    let largeHandles: Int

    /// The buffers for `memory` bytes; below 256 KiB as for those.
    init(memory: Int) {
        self.memory = max(memory, 256 << 10)
        largeReceive = min(512 << 10, max(64 << 10, self.memory / 32))
        largeSend = min(1 << 20, max(64 << 10, self.memory / 32))
        largeHandles = max(2, self.memory / (largeReceive + largeSend))
    }

    /// Whether a transfer gains by large buffers.
    static func gainsByLarge(receiving: Int64, sending: Int64) -> Bool {
        receiving > Int64(smallReceive) || sending > Int64(smallSend)
    }
}
