import Logging
import ObjectStore
import Testing

@testable import S3

/// Access control lists of objects go with their copies, where a bucket has any.
@Suite(.timeLimit(.minutes(15))) struct AccessControlTests {
    private static func list(_ grants: String) -> String {
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>me</ID><DisplayName>I</DisplayName>"
            + "</Owner><AccessControlList>\(grants)</AccessControlList></AccessControlPolicy>"
    }
    private static let own =
        "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>me</ID>"
        + "</Grantee><Permission>FULL_CONTROL</Permission></Grant>"
    private static let everybody =
        "<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"

    private static func isList(_ request: ScriptedServer.Request) -> Bool { request.line.contains("?acl") }
    private static func isCopy(_ request: ScriptedServer.Request) -> Bool {
        request.headers["x-amz-copy-source"] != nil
    }

    /// What a request is, in short.
    private static func name(_ request: ScriptedServer.Request) -> String {
        let method = request.line.prefix { $0 != " " }
        if request.line.contains("ownershipControls") { return "ownership" }
        if isList(request) { return method == "PUT" ? "put list" : "get list" }
        return isCopy(request) ? "copy" : "other"
    }

    private static let copied = answer("200 OK", [], "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>")
    private static let noControls = answer(
        "404 Not Found", [], "<Error><Code>OwnershipControlsNotFoundError</Code><Message>none</Message></Error>")
    private static func refusal(_ status: String, _ code: String) -> String {
        answer(status, [], "<Error><Code>\(code)</Code><Message>no</Message></Error>")
    }

    /// A server that answers each kind of request in its way.
    private func server(ownership: String = noControls, list: String = "", put: String = answer("200 OK", [], ""))
        -> ScriptedServer
    {
        ScriptedServer { _, request in
            switch Self.name(request) {
            case "ownership": [.send(ownership)]
            case "get list": [.send(list)]
            case "put list": [.send(put)]
            default: [.send(Self.copied)]
            }
        }
    }

    private func store(_ server: ScriptedServer, _ change: (inout S3Configuration) -> Void = { _ in }) -> S3Store {
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(server.port)", region: "us-east-1", bucket: "bucket", addressing: .path)
        configuration.retryBaseDelay = .milliseconds(1)
        configuration.retryMaxDelay = .milliseconds(2)
        configuration.objectACLs = .keep
        change(&configuration)
        return S3Store(
            configuration: configuration,
            credentials: StaticCredentials(Credentials(accessKeyID: "AKIA", secretAccessKey: "secret")),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// The requests of one copy to another key and then one onto itself.
    private func requests(of store: S3Store, on server: ScriptedServer) async throws -> (
        other: [String], same: [String]
    ) {
        #expect(try await store.copy(CopyRequest(source: "a", destination: "b")).etag == ETag("e"))
        let other = server.requests.map(Self.name)
        let same = CopyRequest(source: "a", destination: "a", metadata: .replace(ObjectMetadata()))
        #expect(try await store.copy(same).etag == ETag("e"))
        return (other, Array(server.requests.map(Self.name).dropFirst(other.count)))
    }

    // MARK: Documents

    @Test func lists() throws {
        let own = try AccessControlList.read(Array(Self.list(Self.own).utf8))
        #expect(own.isDefault && own.owner == "me")
        let other = "<Grant><Grantee><ID>you</ID></Grantee><Permission>READ</Permission></Grant>"
        let mail =
            "<Grant><Grantee><EmailAddress>a@b.c</EmailAddress></Grantee><Permission>WRITE_ACP</Permission></Grant>"
        let mixed = try AccessControlList.read(Array(Self.list(Self.own + Self.everybody + other + mail).utf8))
        #expect(!mixed.isDefault)
        let headers = Dictionary(uniqueKeysWithValues: mixed.headers.map { ($0.name, $0.value) })
        #expect(
            headers == [
                "x-amz-grant-full-control": "id=\"me\"",
                "x-amz-grant-read": "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\", id=\"you\"",
                "x-amz-grant-write-acp": "emailAddress=\"a@b.c\"",
            ])
        // An owner who took his own rights away has no default list.
        #expect(try !AccessControlList.read(Array(Self.list("").utf8)).isDefault)
        #expect(throws: XMLReader.Failure.self) { try AccessControlList.read(Array("<Other/>".utf8)) }
        #expect(throws: XMLReader.Failure.self) {
            try AccessControlList.read(Array(Self.list(Self.own).utf8.dropLast(5)))
        }
    }

    @Test func whatNoHeaderCanSayIsLeftOut() throws {
        let evil = "<Grant><Grantee><ID>x\" , uri=\"y</ID></Grantee><Permission>READ</Permission></Grant>"
        let unknown = "<Grant><Grantee><ID>you</ID></Grantee><Permission>DANCE</Permission></Grant>"
        let list = try AccessControlList.read(Array(Self.list(Self.own + evil + unknown).utf8))
        #expect(list.headers.map(\.name) == ["x-amz-grant-full-control"])
    }

    // MARK: Copies

    @Test func aBucketWithoutListsIsAskedOnce() async throws {
        let enforced = answer(
            "200 OK", [],
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"
        )
        let server = server(ownership: enforced)
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other == ["ownership", "copy"] && same == ["copy"])
    }

    @Test func aListIsPutOnTheCopy() async throws {
        let server = server(list: answer("200 OK", [], Self.list(Self.own + Self.everybody)))
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other.first == "ownership" && other.last == "put list")
        #expect(other.sorted() == ["copy", "get list", "ownership", "put list"])
        // Onto itself, the copy takes the list away: it is read before.
        #expect(same == ["get list", "copy", "put list"])
        let puts = server.requests.filter { Self.name($0) == "put list" }
        #expect(
            puts.map(\.line) == ["PUT /bucket/b?acl= HTTP/1.1", "PUT /bucket/a?acl= HTTP/1.1"]
                || puts.map(\.line) == ["PUT /bucket/b?acl HTTP/1.1", "PUT /bucket/a?acl HTTP/1.1"])
        #expect(puts.allSatisfy { $0.headers["x-amz-grant-full-control"] == "id=\"me\"" })
        #expect(puts.allSatisfy { $0.headers["x-amz-grant-read"]?.contains("AllUsers") == true })
    }

    @Test func aDefaultListIsNotPut() async throws {
        let server = server(list: answer("200 OK", [], Self.list(Self.own)))
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other.sorted() == ["copy", "get list", "ownership"] && same == ["get list", "copy"])
    }

    @Test(arguments: [("501 Not Implemented", "NotImplemented"), ("403 Forbidden", "AccessDenied")])
    func aRefusalIsRemembered(status: String, code: String) async throws {
        let refusal = Self.refusal(status, code)
        let server = server(ownership: refusal, list: refusal)
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other.sorted() == ["copy", "get list", "ownership"] && same == ["copy"])
    }

    @Test func aListThatMayNotBePutIsRemembered() async throws {
        let server = server(
            list: answer("200 OK", [], Self.list(Self.own + Self.everybody)),
            put: Self.refusal("400 Bad Request", "AccessControlListNotSupported"))
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other.last == "put list" && same == ["copy"])
    }

    /// A store that fails just then fails no copy, and is asked again.
    @Test func aPassingFailureIsNot() async throws {
        let server = server(list: Self.refusal("500 Internal Server Error", "InternalError"))
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other.sorted() == ["copy", "get list", "get list", "ownership"])
        #expect(same == ["get list", "get list", "copy"])
    }

    /// The object of a list that is gone when it is asked for is none of the list's affairs.
    @Test func aMissingSourceIsTheCopysError() async throws {
        let server = ScriptedServer { _, request in
            [.send(Self.name(request) == "ownership" ? Self.noControls : Self.refusal("404 Not Found", "NoSuchKey"))]
        }
        defer { server.stop() }
        let store = store(server)
        defer { store.shutdown() }
        for _ in 0..<2 {
            await #expect(throws: StoreError.self) { try await store.copy(CopyRequest(source: "a", destination: "b")) }
        }
        #expect(server.requests.map(Self.name).filter { $0 == "copy" }.count == 2)
        #expect(store.accessControl.current == .kept)
    }

    @Test(arguments: [false, true]) func whoDoesNotWantIt(hasDefaultList: Bool) async throws {
        let server = server()
        defer { server.stop() }
        let store = store(server) { configuration in
            if hasDefaultList { configuration.acl = "public-read" } else { configuration.objectACLs = .ignore }
        }
        defer { store.shutdown() }
        let (other, same) = try await requests(of: store, on: server)
        #expect(other == ["copy"] && same == ["copy"])
    }
}
