import Dispatch
import Glibc

@testable import HTTPServer

/// A client that sends what it is told to and reads until the server closes: what no library would send is what is to be tested.
struct RawClient {
    let descriptor: Int32

    init(unix path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(result == 0, "connect: \(errno)")
    }

    init(port: UInt16) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "connect: \(errno)")
    }

    func send(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// All that comes until the server closes. Waits in a thread of its own: the server's handlers need those of the tests.
    func readAll() async -> String {
        await withCheckedContinuation { answer in
            DispatchQueue.global().async { answer.resume(returning: readHere()) }
        }
    }

    private func readHere() -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &piece, piece.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece[..<count]
        }
    }

    func close() { Glibc.close(descriptor) }

    /// One request, one answer.
    static func ask(unix path: String, _ text: String) async -> String {
        let client = RawClient(unix: path)
        defer { client.close() }
        client.send(text)
        return await client.readAll()
    }
}

/// A path for a socket that no other test has.
func temporarySocket(_ name: String = #function) -> String {
    "/tmp/pail-http-\(getpid())-\(name.filter { $0.isLetter || $0.isNumber }.prefix(60)).sock"
}
