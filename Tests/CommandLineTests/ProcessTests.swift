import Glibc
import Testing

@testable import pail

/// Runs the built program as a person does. Nothing here needs a store or a mount.
@Suite struct ProcessTests {
    private let home = TemporaryFolder()

    /// What a run left.
    private struct Outcome {
        var status: Int32
        var output: String
        var errors: String
    }

    /// The program beside the tests' own.
    private static func program() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        try #require(count > 0)
        let own = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = own.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/pail"
        try #require(access(path, X_OK) == 0, "\(path) is not built")
        return path
    }

    /// Runs it with only these variables, and `HOME` in a folder of the test.
    private func run(_ arguments: [String], _ environment: [String: String] = [:], name: String = "pail") throws
        -> Outcome
    {
        let outputPath = home.path + "/stdout"
        let errorsPath = home.path + "/stderr"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errorsPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var variables = environment
        variables["HOME"] = home.path
        variables["AWS_EC2_METADATA_DISABLED"] = "true"
        variables["LD_LIBRARY_PATH"] = getenv("LD_LIBRARY_PATH").map { String(cString: $0) }
        var argv: [UnsafeMutablePointer<CChar>?] = ([name] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var process: pid_t = 0
        try #require(posix_spawn(&process, try Self.program(), &actions, nil, &argv, &envp) == 0)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 { try #require(errno == EINTR) }
        try #require(status & 0x7F == 0, "ended by signal \(status & 0x7F)")
        return Outcome(status: (status >> 8) & 0xFF, output: home.read("stdout"), errors: home.read("stderr"))
    }

    private func expectLine(_ outcome: Outcome, _ status: pail.ExitStatus, _ part: String) {
        #expect(outcome.status == status.rawValue, "\(outcome)")
        #expect(outcome.errors.hasPrefix("pail: "), "\(outcome)")
        #expect(outcome.errors.contains(part), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
        #expect(outcome.output.isEmpty, "\(outcome)")
    }

    @Test func helpAndVersion() throws {
        for arguments in [["--help"], ["mount", "--help"], ["help", "mount"], ["umount", "--help"]] {
            let outcome = try run(arguments)
            #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.output.contains("pail"), "\(arguments)")
        }
        #expect(try run(["mount", "--help"]).output == MountHelp.text() + "\n")
        #expect(try run(["--version"]).output == "pail \(PailCommand.version)\n")
    }

    @Test func usage() throws {
        expectLine(try run(["mount"]), .usage, "a bucket and a mount point are missing")
        expectLine(try run(["mount", "s3://bucket", "/tmp", "--regoin", "x"]), .usage, "did you mean \"--region\"?")
        expectLine(try run(["mount", "s3://bucket", "/tmp", "-o", "part_size=1"]), .usage, "out of range")
        expectLine(try run(["frobnicate"]), .usage, "frobnicate")
        expectLine(try run(["umount"]), .usage, "mount-point")
        expectLine(try run(["umount", "/x", "--lzay"]), .usage, "--lazy")
        expectLine(try run(["bucket", "/tmp", "-o", "rw,part_size=1"]), .usage, "out of range")
        expectLine(try run(["bucket", "/tmp", "-o", "colour=1"], name: "mount.pail"), .usage, "unknown option")
    }

    @Test func rehearsalsMountNothing() throws {
        let outcome = try run(["bucket", "/tmp", "-f", "-o", "rw"], name: "/sbin/mount.pail")
        #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.output.isEmpty)
    }

    @Test(arguments: [[], ["--foreground"]])
    func configuration(_ mode: [String]) throws {
        let mount = ["mount", "s3://bucket", home.path] + mode
        expectLine(try run(mount), .configuration, "no credentials found")
        expectLine(try run(mount, ["AWS_ACCESS_KEY_ID": "A"]), .configuration, "no AWS_SECRET_ACCESS_KEY")
        expectLine(try run(mount + ["--profile", "none"]), .configuration, "there is no profile \"none\"")
        home.write("open", "KEY:SECRETWORD\n", mode: 0o644)
        let open = try run(mount + ["--passwd-file", home.path + "/open"])
        expectLine(open, .configuration, "chmod 600")
        #expect(!open.errors.contains("SECRETWORD"))
        home.write("broken", "[default]\nSECRETWORD\n", mode: 0o600)
        let broken = try run(mount, ["AWS_CONFIG_FILE": home.path + "/broken"])
        expectLine(broken, .configuration, "broken:2: ")
        #expect(!broken.errors.contains("SECRETWORD"))
        expectLine(try run(mount + ["--anonymous", "--ca-bundle", "/nowhere"]), .configuration, "/nowhere")
        expectLine(try run(mount + ["--log-file", "/nowhere/log"]), .localState, "the log file /nowhere/log")
    }
}

/// A folder for one test, removed at its end; it holds files only.
private final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/pail-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("mkdtemp: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in ["stdout", "stderr", "open", "broken"] { unlink(path + "/" + name) }
        rmdir(path)
    }

    func write(_ name: String, _ text: String, mode: mode_t) {
        let descriptor = open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, mode)
        guard descriptor >= 0 else { fatalError("open: \(errno)") }
        var text = text
        text.withUTF8 { bytes in
            guard Glibc.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count else { fatalError("write") }
        }
        fchmod(descriptor, mode)
        close(descriptor)
    }

    func read(_ name: String) -> String {
        let descriptor = open(path + "/" + name, O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while case let count = Glibc.read(descriptor, &piece, piece.count), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
