import Glibc
import Logging
import Synchronization
import SystemPackage
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(1))) struct HTTPServerTests {
    private let logger = Logger(label: "test")

    private func echo(_ request: HTTPRequest) -> HTTPResponse {
        HTTPResponse(
            status: 200, contentType: "text/x-echo",
            body: Array("\(request.method) \(request.path) \(request.headers["x-some"] ?? "-") ".utf8) + request.body)
    }

    @Test func aRequestIsHandedOverAndAnswered() async throws {
        let path = temporarySocket()
        let server = try HTTPServer(listener: ListeningSocket.unix(path: path), logger: logger) { echo($0) }
        var answer = await RawClient.ask(
            unix: path,
            "POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Some: thing\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
        )
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.contains("Content-Type: text/x-echo\r\n"))
        #expect(answer.hasSuffix("\r\n\r\nPOST /a b thing body"))
        answer = await RawClient.ask(
            unix: path,
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
        )
        #expect(answer.hasSuffix("\r\n\r\nPOST / - body"))
        // Two on one connection, and an answer to HEAD without its body.
        answer = await RawClient.ask(
            unix: path,
            "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(answer.contains("\r\n\r\nGET /1 - HTTP/1.1 200 OK"))
        #expect(answer.contains("Content-Length: 10\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
        answer = await RawClient.ask(unix: path, "no request at all\r\n\r\n")
        #expect(answer.isEmpty || answer.contains(" 400 "))
        await server.stop()
        unlink(path)
    }

    @Test func tcpServesAsWell() async throws {
        let listener = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        let port = try #require(ListeningSocket.port(of: listener))
        let server = try HTTPServer(listener: listener, logger: logger) { echo($0) }
        let client = RawClient(port: port)
        client.send("GET /x HTTP/1.0\r\n\r\n")
        let answer = await client.readAll()
        #expect(answer.hasSuffix("\r\n\r\nGET /x - "))
        client.close()
        await server.stop()
        #expect(throws: Errno.self) { try ListeningSocket.tcp(host: "no.such.host.invalid", port: 0) }
    }

    @Test(arguments: [101, 1600, 1601, 10_000_000]) func aLargeBodyIsRefused(size: Int) async throws {
        let path = temporarySocket("aLargeBody\(size)")
        let asked = Atomic<Int>(0)
        let server = try HTTPServer(
            listener: ListeningSocket.unix(path: path), limits: HTTPServerLimits(bodyBytes: 100), logger: logger,
            tooLarge: HTTPResponse(status: 413, text: "too much")
        ) { request in
            asked.add(1, ordering: .relaxed)
            return echo(request)
        }
        let body = size > 1601 ? "" : String(repeating: "b", count: size)
        let answer = await RawClient.ask(
            unix: path, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\nConnection: close\r\n\r\n\(body)")
        #expect(answer.hasPrefix("HTTP/1.1 413 "))
        #expect(answer.hasSuffix("\r\n\r\ntoo much\n"))
        let count = asked.load(ordering: .relaxed)
        #expect(count == 0)
        await server.stop()
        unlink(path)
    }

    @Test func handlersThatWaitHoldNobodyUpAndStopWaitsForThem() async throws {
        let path = temporarySocket()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (seen, see) = AsyncStream<Void>.makeStream()
        let server = try HTTPServer(listener: ListeningSocket.unix(path: path), logger: logger) { request in
            if request.path == "/slow" {
                see.yield()
                for await _ in gate { break }
            }
            return echo(request)
        }
        let slow = RawClient(unix: path)
        slow.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for await _ in seen { break }
        // Others are answered meanwhile.
        let fast = await RawClient.ask(unix: path, "GET /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        #expect(fast.hasSuffix("GET /fast - "))
        let idle = RawClient(unix: path)
        let stopped = Atomic<Bool>(false)
        let stop = Task {
            await server.stop()
            stopped.store(true, ordering: .relaxed)
        }
        let isStopped = stopped.load(ordering: .relaxed)
        #expect(!isStopped)
        open.yield()
        // The answer that was being made is given, and a connection without a request holds nobody.
        let answer = await slow.readAll()
        #expect(answer.hasSuffix("\r\n\r\nGET /slow - "))
        await stop.value
        let nothing = await idle.readAll()
        #expect(nothing.isEmpty)
        slow.close()
        idle.close()
        unlink(path)
    }

    @Test func aClientThatGoesAwayIsNobodysTrouble() async throws {
        let path = temporarySocket()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (seen, see) = AsyncStream<Void>.makeStream()
        let server = try HTTPServer(listener: ListeningSocket.unix(path: path), logger: logger) { request in
            see.yield()
            for await _ in gate { break }
            return echo(request)
        }
        let client = RawClient(unix: path)
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for await _ in seen { break }
        client.close()
        let half = RawClient(unix: path)
        half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        half.close()
        open.yield()
        await server.stop()
        await server.stop()
        unlink(path)
    }
}

@Suite struct ListeningSocketTests {
    @Test func aDeadSocketIsReplacedAndALiveOneIsNot() throws {
        let path = temporarySocket()
        let first = try ListeningSocket.unix(path: path)
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(throws: Errno.addressInUse) { try ListeningSocket.unix(path: path) }
        close(first)
        let second = try ListeningSocket.unix(path: path, mode: 0o666)
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o666)
        close(second)
        unlink(path)
    }

    @Test func whatIsNoSocketStays() throws {
        let path = temporarySocket()
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        close(file)
        #expect(throws: Errno.addressInUse) { try ListeningSocket.unix(path: path) }
        #expect(access(path, F_OK) == 0)
        unlink(path)
        #expect(throws: Errno.fileNameTooLong) {
            try ListeningSocket.unix(path: "/tmp/" + String(repeating: "x", count: 200))
        }
    }
}
