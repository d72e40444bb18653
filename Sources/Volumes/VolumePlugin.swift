public import HTTPServer

/// Docker's volume plugin protocol over HTTP: which call a request is, and what it is answered.
///
/// A call that fails is answered with status 500 and `{"Err": …}`, as Docker's own library for plugins does: Docker looks at the text, Podman at the status. An
/// unknown path is 404, another method than POST 405, too large a body 413, all with `{"Err": …}` as well.
public struct VolumePlugin: Sendable {
    /// The largest body, in bytes: many times the longest options.
    public static let bodyLimit = 64 << 10

    private let driver: VolumeDriver

    /// Answers by a driver.
    public init(_ driver: VolumeDriver) { self.driver = driver }

    /// For ``HTTPServer``: a body beyond ``bodyLimit``.
    public static var tooLarge: HTTPResponse { refusal(413, "the request is larger than \(bodyLimit) bytes") }

    /// Answers a request. As long as its volume's mount takes.
    public func answer(_ request: HTTPRequest) async -> HTTPResponse {
        guard let call = Call(rawValue: request.path) else {
            return Self.refusal(404, "the plugin has no such call")
        }
        guard request.method == "POST" else { return Self.refusal(405, "POST expected", headers: ["Allow": "POST"]) }
        do throws(VolumeRefusal) {
            let request = try PluginRequest(parsing: request.body)
            guard call != .mount else { return try await mount(request) }
            return Self.response(200, try await answer(call, request))
        } catch {
            return Self.refusal(500, error.description)
        }
    }

    private enum Call: String {
        case activate = "/Plugin.Activate"
        case create = "/VolumeDriver.Create"
        case remove = "/VolumeDriver.Remove"
        case mount = "/VolumeDriver.Mount"
        case unmount = "/VolumeDriver.Unmount"
        case path = "/VolumeDriver.Path"
        case get = "/VolumeDriver.Get"
        case list = "/VolumeDriver.List"
        case capabilities = "/VolumeDriver.Capabilities"
    }

    private func answer(_ call: Call, _ request: PluginRequest) async throws(VolumeRefusal) -> PluginAnswer {
        var answer = PluginAnswer()
        switch call {
        case .activate: answer.implements = ["VolumeDriver"]
        case .capabilities: answer.capabilities = PluginAnswer.Capabilities()
        case .list: answer.volumes = driver.list().map { PluginAnswer.Volume($0, isWhole: false) }
        case .create: try await driver.create(VolumeName(request.name), options: request.options ?? [:])
        case .remove: try await driver.remove(VolumeName(request.name))
        case .mount: break
        case .unmount: try await driver.unmount(VolumeName(request.name), id: id(request))
        case .path: answer.mountPoint = try driver.describe(VolumeName(request.name)).mountPoint
        case .get:
            answer.volume = PluginAnswer.Volume(try driver.describe(VolumeName(request.name)), isWhole: true)
        }
        return answer
    }

    private func mount(_ request: PluginRequest) async throws(VolumeRefusal) -> HTTPResponse {
        let grant = try await driver.mount(VolumeName(request.name), id: id(request))
        var answer = PluginAnswer()
        answer.mountPoint = grant.path
        var response = Self.response(200, answer)
        response.undelivered = { [driver] in driver.takeBack(grant) }
        return response
    }

    private func id(_ request: PluginRequest) throws(VolumeRefusal) -> String {
        guard let id = request.id, !id.isEmpty else { throw VolumeRefusal("the ID of who mounts is missing") }
        guard id.utf8.count <= 256 else { throw VolumeRefusal("the ID of who mounts is longer than 256 bytes") }
        return id
    }

    private static func response(
        _ status: Int, _ answer: PluginAnswer, headers: [String: String] = [:]
    ) -> HTTPResponse {
        HTTPResponse(
            status: status, contentType: "application/vnd.docker.plugins.v1.1+json", body: answer.encoded,
            headers: headers)
    }

    private static func refusal(_ status: Int, _ reason: String, headers: [String: String] = [:]) -> HTTPResponse {
        var answer = PluginAnswer()
        answer.error = reason
        return response(status, answer, headers: headers)
    }
}
