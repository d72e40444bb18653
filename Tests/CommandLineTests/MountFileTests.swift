import Testing

@testable import pail

/// Mounts with a name: the file, and the name among the arguments.
@Suite struct MountFileTests {
    private func read(_ text: String) throws -> MountFile { try MountFile(parsing: text, name: "x.conf") }

    private func refusal(_ text: String) -> String? {
        do throws(CommandError) {
            _ = try MountFile(parsing: text, name: "x.conf")
            return nil
        } catch {
            #expect(error.status == .configuration, "\(error)")
            return error.message
        }
    }

    private static let place = "source = s3://bucket/prefix\nmount-point = /mnt/x\n"

    @Test func aFileIsAMount() throws {
        let file = try read(
            """
            # The artifacts.
            source = s3://bucket/prefix
              mount_point=/mnt/with a space, and a comma\t
            \r
            part-size = 16MiB\r
            endpoint_url = http://127.0.0.1:1/a=b
            allow_other = yes
            write-back = no
            """)
        #expect(file.source == "s3://bucket/prefix")
        #expect(file.mountPoint == "/mnt/with a space, and a comma")
        #expect(file.options == ["--part-size=16MiB", "--endpoint-url=http://127.0.0.1:1/a=b", "--allow-other"])
        let arguments = file.arguments(and: ["--part-size", "5MiB", "-f"])
        guard case .mount(let request) = try MountArguments(parsing: arguments) else {
            Issue.record("no mount")
            return
        }
        #expect(request.options.partSize == 5 << 20, "the command line counts before the file")
        #expect(request.options.allowsOther && request.options.isForeground && !request.options.isWriteBack)
        #expect(request.mountPoint == "/mnt/with a space, and a comma")
    }

    @Test func everyOptionMayStandInAFile() throws {
        for option in MountOptionTable.groups.flatMap(\.options) where option.placeholder == nil {
            #expect(try read(Self.place + "\(option.name) = yes").options == ["--\(OptionSpec.canonical(option.name))"])
            #expect(try read(Self.place + "\(option.name) = no").options.isEmpty)
        }
    }

    @Test(arguments: [
        ("source = s3://bucket\nmount-point = /mnt\nnonsense\n", "x.conf:3: \"KEY = VALUE\" expected"),
        (place + "part-size = 1", "x.conf:3: \"part-size\": 1 is out of range"),
        (place + "part-sise = 8MiB", "did you mean \"part-size\"?"),
        (place + "read-only = 1", "x.conf:3: \"read-only\": yes or no expected"),
        (place + "region =", "x.conf:3: \"region\" has no value"),
        (place + "region = a\nregion = b", "x.conf:4: \"region\" stands in line 3 already"),
        (place + "mount_point = /b", "x.conf:3: \"mount-point\" stands in line 2 already"),
        ("source = s3://b u\nmount-point = /mnt", "x.conf:1: \"source\": "),
        ("source = s3://bucket\nmount-point = mnt", "x.conf:2: \"mount-point\": an absolute path expected"),
        ("mount-point = /mnt", "\"source = s3://BUCKET\" is missing"),
        ("source = s3://bucket", "\"mount-point = DIR\" is missing"), ("", "is missing"),
        ("SECRETWORD", "x.conf:1: "), (place + "region = \0", "zero byte"),
    ])
    func aMistakeIsNamedByItsLine(text: String, part: String) {
        let message = refusal(text)
        #expect(message?.contains(part) ?? false, "\(message ?? "accepted")")
        #expect(!(message?.contains("SECRETWORD") ?? false), "a line's text may be a secret")
    }

    @Test func aNameIsTheOnlyWord() {
        let named: [([String], Int?)] = [
            (["artifacts"], 0), (["--foreground", "artifacts"], 1), (["-f", "artifacts", "--part-size", "8MiB"], 1),
            (["-o", "ro", "artifacts"], 2), (["-oro", "artifacts"], 1), (["-fo", "ro", "artifacts"], 2),
            (["--part-size=8MiB", "artifacts"], 1), (["--", "artifacts"], 1), (["-o", "artifacts"], nil),
            (["--part-size", "artifacts"], nil), (["s3://bucket"], nil), (["artifacts", "/mnt"], nil), ([], nil),
            (["artifacts", "--help"], nil), (["../x"], nil), ([".x"], nil), (["a/b"], nil), (["bücher"], nil),
            ([String(repeating: "x", count: 65)], nil), ([""], nil),
        ]
        for (arguments, index) in named { #expect(NamedMount.indexOfName(in: arguments) == index, "\(arguments)") }
    }

    @Test func whereFilesAreLookedFor() {
        #expect(NamedMount.directories(["HOME": "/root", "XDG_CONFIG_HOME": "/x"], uid: 0) == ["/etc/pail/mounts.d"])
        #expect(
            NamedMount.directories(["HOME": "/home/a"], uid: 7)
                == ["/home/a/.config/pail/mounts.d", "/etc/pail/mounts.d"])
        #expect(
            NamedMount.directories(["HOME": "/home/a", "XDG_CONFIG_HOME": "/x"], uid: 7).first == "/x/pail/mounts.d")
        #expect(NamedMount.directories(["XDG_CONFIG_HOME": "x"], uid: 7) == ["/etc/pail/mounts.d"])
        #expect(NamedMount.directories(["PAIL_MOUNTS_DIR": "/y"], uid: 0) == ["/y"])
        #expect(NamedMount.directories(["PAIL_MOUNTS_DIR": "y"], uid: 0) == ["/etc/pail/mounts.d"])
    }
}
