import FoundationEssentials

/// The messages of Docker's volume plugin protocol, as https://docs.docker.com/engine/extend/plugins_volume/ documents them.
struct PluginRequest: Decodable, Sendable {
    /// The volume's name; missing in calls that concern none.
    var name: String?
    /// The options of `volume create -o`.
    var options: [String: String]?
    /// Who mounts: an ID that the engine makes up.
    var id: String?

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case options = "Opts"
        case id = "ID"
    }

    /// Reads a body; an empty one is a request without fields.
    init(parsing body: [UInt8]) throws(VolumeRefusal) {
        guard !body.isEmpty else { return }
        do {
            self = try JSONDecoder().decode(PluginRequest.self, from: Data(body))
        } catch DecodingError.typeMismatch(_, let context) {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw VolumeRefusal(
                path.isEmpty
                    ? "the request is no JSON object" : "\"\(path)\" of the request is of another type than expected")
        } catch {
            throw VolumeRefusal("the request is no JSON")
        }
    }

    private init() {}
}

/// An answer. Fields that do not belong to the call are left out.
struct PluginAnswer: Encodable, Sendable {
    struct Volume: Encodable, Sendable {
        var name: String
        var mountPoint: String
        var createdAt: String
        var status: [String: String]?

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case mountPoint = "Mountpoint"
            case createdAt = "CreatedAt"
            case status = "Status"
        }

        /// - Parameter isWhole: with what `inspect` shows besides.
        init(_ volume: VolumeDriver.Description, isWhole: Bool) {
            name = volume.name
            mountPoint = volume.mountPoint
            createdAt = volume.createdAt
            guard isWhole else { return }
            var status = volume.options
            status["users"] = "\(volume.users)"
            self.status = status
        }
    }

    struct Capabilities: Encodable, Sendable {
        var scope = "local"
        enum CodingKeys: String, CodingKey { case scope = "Scope" }
    }

    var implements: [String]?
    var mountPoint: String?
    var volume: Volume?
    var volumes: [Volume]?
    var capabilities: Capabilities?
    var error: String? = ""

    enum CodingKeys: String, CodingKey {
        case implements = "Implements"
        case mountPoint = "Mountpoint"
        case volume = "Volume"
        case volumes = "Volumes"
        case capabilities = "Capabilities"
        case error = "Err"
    }

    /// As it is sent.
    var encoded: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers only: there is nothing that JSON could not hold.
        return [UInt8]((try? encoder.encode(self)) ?? Data(#"{"Err":"no answer"}"#.utf8))
    }
}
