import Foundation
import Glibc
import Logging
import ObjectStore
import Testing

@testable import S3

/// A real S3 server, started once for the whole test process and ended with it.
///
/// A shell between the two waits on a pipe from the tests: when they end, however they end, it ends the server.
struct LiveServer: Sendable, CustomTestStringConvertible {
    enum Kind: String, Sendable { case seaweed, moto }

    var kind: Kind
    var port: Int
    var credentials: Credentials

    var testDescription: String { kind.rawValue }

    /// The folder of the servers' programs; nil where there is none.
    static let tools: String? = {
        let folder = ProcessInfo.processInfo.environment["PAIL_TOOLS"] ?? "/opt/pail-tools/bin"
        return FileManager.default.fileExists(atPath: folder) ? folder : nil
    }()

    static func isInstalled(_ program: String) -> Bool {
        tools.map { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") } ?? false
    }

    static let hasSeaweed = isInstalled("weed")
    static let hasMoto = isInstalled("moto_server")

    /// The servers that are installed.
    static let kinds: [Kind] = (hasSeaweed ? [.seaweed] : []) + (hasMoto ? [.moto] : [])

    private static let seaweed = Task { try await startSeaweed() }
    private static let moto = Task { try await startMoto() }

    static func shared(_ kind: Kind) async throws -> LiveServer {
        switch kind {
        case .seaweed: try await seaweed.value
        case .moto: try await moto.value
        }
    }

    /// A store over a new bucket.
    func newBucket(_ change: (inout S3Configuration) -> Void = { _ in }) async throws -> S3Store {
        let bucket = "test-\(UInt64.random(in: 0...UInt64.max))"
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(port)", region: "us-east-1", bucket: bucket, addressing: .path)
        configuration.requestDeadline = .seconds(30)
        change(&configuration)
        let store = S3Store(
            configuration: configuration, credentials: StaticCredentials(credentials), logger: Logger(label: "test"))
        try await store.perform {
            S3Request(.putObject, .put)
        } read: { _ in
        }
        return store
    }

    private static func startSeaweed() async throws -> LiveServer {
        let folder = "/tmp/pail-s3tests-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
        let identities = """
            {"identities":[{"name":"pail","credentials":[{"accessKey":"pailkey","secretKey":"pailsecret"}],
            "actions":["Admin","Read","Write","List","Tagging"]}]}
            """
        try identities.write(toFile: folder + "/identities.json", atomically: true, encoding: .utf8)
        let ports = freePorts(8)
        let command = """
            "\(tools ?? "")/weed" server -dir "\(folder)/data" -ip 127.0.0.1 -ip.bind 127.0.0.1 \
            -master.port \(ports[0]) -master.port.grpc \(ports[1]) -volume.port \(ports[2]) -volume.port.grpc \(ports[3]) \
            -filer -filer.port \(ports[4]) -filer.port.grpc \(ports[5]) -s3 -s3.port \(ports[6]) \
            -s3.port.grpc \(ports[7]) -s3.port.iceberg 0 -s3.port.lance 0 -s3.config "\(folder)/identities.json"
            """
        try launch(command, log: folder + "/log", thenRemove: folder)
        let server = LiveServer(
            kind: .seaweed, port: ports[6],
            credentials: Credentials(accessKeyID: "pailkey", secretAccessKey: "pailsecret"))
        try await server.waitUntilReady(log: folder + "/log")
        return server
    }

    private static func startMoto() async throws -> LiveServer {
        let folder = "/tmp/pail-s3tests-moto-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let port = freePorts(1)[0]
        try launch(
            "\"\(tools ?? "")/moto_server\" -H 127.0.0.1 -p \(port)", log: folder + "/log", thenRemove: folder)
        let server = LiveServer(
            kind: .moto, port: port, credentials: Credentials(accessKeyID: "test", secretAccessKey: "test"))
        try await server.waitUntilReady(log: folder + "/log")
        return server
    }

    private static func launch(_ command: String, log: String, thenRemove folder: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c", "\(command) >\"\(log)\" 2>&1 </dev/null & server=$!; read line; kill -9 $server; rm -rf \"\(folder)\"",
        ]
        let pipe = Pipe()
        process.standardInput = pipe
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // The writing end must live as long as this process, and no longer: no child may inherit it.
        let held = dup(pipe.fileHandleForWriting.fileDescriptor)
        _ = fcntl(held, F_SETFD, FD_CLOEXEC)
    }

    /// A request to the service is answered, whatever the answer.
    private func waitUntilReady(log: String) async throws {
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(port)", region: "us-east-1", bucket: "is-it-up", addressing: .path)
        configuration.maxAttempts = 1
        let store = S3Store(
            configuration: configuration, credentials: StaticCredentials(credentials), logger: Logger(label: "test"))
        for _ in 0..<600 {
            do {
                try await store.perform {
                    S3Request(.putObject, .put)
                } read: { _ in
                }
                return
            } catch { try await Task.sleep(for: .milliseconds(100)) }
        }
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        throw NotReady(description: "\(kind) did not start: \(text.suffix(2000))")
    }

    struct NotReady: Error, CustomStringConvertible { var description: String }
}

/// Ports of 127.0.0.1 that were free a moment ago.
func freePorts(_ count: Int) -> [Int] {
    var sockets: [Int32] = []
    var ports: [Int] = []
    for _ in 0..<count {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, length)
                getsockname(descriptor, $0, &length)
            }
        }
        sockets.append(descriptor)
        ports.append(Int(UInt16(bigEndian: address.sin_port)))
    }
    for descriptor in sockets { close(descriptor) }
    return ports
}
