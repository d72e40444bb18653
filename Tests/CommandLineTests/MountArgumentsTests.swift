import S3
import Testing

@testable import pail

@Suite struct MountArgumentsTests {
    private func parse(_ arguments: String...) throws -> MountOptions {
        guard case .mount(let request) = try MountArguments(parsing: ["s3://bucket", "/mnt"] + arguments) else {
            throw CommandError(.failure, "help")
        }
        return request.options
    }

    private func problem(_ arguments: [String]) -> String? {
        do throws(CommandError) {
            _ = try MountArguments(parsing: arguments)
            return nil
        } catch {
            #expect(error.status == .usage)
            return error.message
        }
    }

    @Test func nothingGivenMeansTheDefaults() throws {
        #expect(try parse() == MountOptions())
    }

    @Test func everyOptionSetsSomethingInEachSpelling() throws {
        let values = [
            "URL": "http://h:1", "NAME": "some", "FILE": "/f", "DIR": "/d", "SIZE": "64MiB", "TIME": "7s", "ID": "7",
            "MODE": "0700", "CLASS": "GLACIER", "ACL": "private", "ADDR": "9464", "FILE[:KEYFILE]": "/f:/g",
        ]
        for option in MountOptionTable.groups.flatMap(\.options) where option.name != "rw" {
            var value: String?
            if let placeholder = option.placeholder {
                value =
                    placeholder == "N"
                    ? (option.name == "list-version" ? "1" : "3")
                    : values[placeholder] ?? String(placeholder.split(separator: "|").first!)
                // The word must differ from the default.
                if placeholder.contains("|"), value == option.standard {
                    value = String(placeholder.split(separator: "|").last!)
                }
            }
            let underscored = option.name.replacing("-", with: "_")
            let plain = try parse("--\(option.name)" + (value.map { "=" + $0 } ?? ""))
            if !option.isAlways { #expect(plain != MountOptions(), "\(option.name)") }
            var forms = [
                ["-o", underscored + (value.map { "=" + $0 } ?? "")],
                ["-o\(option.name)" + (value.map { "=" + $0 } ?? "")],
            ]
            forms.append(["--\(option.name)"] + (value.map { [$0] } ?? []))
            for form in forms {
                guard case .mount(let request) = try MountArguments(parsing: form + ["s3://bucket", "/mnt"]) else {
                    continue
                }
                #expect(request.options == plain, "\(form)")
            }
        }
    }

    @Test func theLaterCounts() throws {
        #expect(try parse("-o", "ro", "-o", "rw").isReadOnly == false)
        #expect(try parse("-o", "rw,ro").isReadOnly)
        #expect(try parse("-r").isReadOnly)
        #expect(try parse("--memory", "64M", "-o", "memory=128M").memory == 128 << 20)
        #expect(try parse("-fr").isForeground)
    }

    @Test func listsOfMount8() throws {
        let options = try parse(
            "-o", "rw,nosuid,nodev,_netdev,auto,nofail,users,x-systemd.automount,x-foo=1,comment=a b,noatime,,defaults")
        #expect(options.kernelFlags == ["nosuid", "nodev", "noatime"])
        #expect(try parse("-o", "fsname=a\\,b\\\\c,ro").fsName == "a,b\\c")
        #expect(try parse("-o", "fsname=a\\,b\\\\c,ro").isReadOnly)
        #expect(MountArguments.split("a\\") == ["a\\"])
        #expect(MountArguments.split("a\\b,c") == ["a\\b", "c"])
    }

    @Test func positionals() throws {
        guard case .mount(let request) = try MountArguments(parsing: ["-f", "--", "s3://bucket/x", "-dir"]) else {
            return
        }
        #expect(request.mountPoint == "-dir")
        #expect(request.source.prefix == "x/")
        let absolute = request.absolute(in: "/home/a")
        #expect(absolute.mountPoint == "/home/a/-dir")
        #expect(try MountArguments(parsing: ["x", "--help"]) == .help)
    }

    @Test(
        arguments: [
            ([], "a bucket and a mount point are missing"), (["s3://bucket"], "a mount point is missing"),
            (["s3://bucket", "/a", "/b"], "unexpected argument \"/b\""), (["ftp://bucket", "/a"], "cannot be mounted"),
            (["s3://bucket", ""], "empty"),
            (["--part-sise", "1"], "did you mean \"--part-size\"?"), (["--nonsensical"], "see: pail mount --help"),
            (["-o", "alow_other"], "did you mean \"-o allow_other\"?"),
            (["-o", "partsize=1"], "did you mean \"-o part-size\"?"),
            (["-q"], "unknown option \"-q\""), (["-o"], "-o needs a list"), (["--region"], "needs a value"),
            (["-o", "region"], "needs a value"), (["--foreground=1"], "takes no value"),
            (["-o", "ro=1"], "takes no value"),
            (["--part-size", "4MiB"], "out of range: 5MiB to 5GiB"), (["--part-size", "6GiB"], "out of range"),
            (["--part-size", "x"], "a size such as"), (["--memory", "1"], "out of range"),
            (["--max-connections", "0"], "out of range: 1 to 1024"), (["--max-connections", "many"], "whole number"),
            (["--list-version", "3"], "out of range: 1 to 2"), (["--attribute-timeout", "2h"], "out of range"),
            (["--attribute-timeout", "soon"], "a time such as"), (["--umask", "0888"], "octal"),
            (["--umask", "1000"], "out of range: 0 to 777"),
            (["--uid", "-1"], "out of range"), (["--uid", "4294967295"], "out of range"),
            (["--uid", "root"], "whole number"),
            (["--addressing", "sideways"], "path, virtual, auto expected"),
            (["--checksum", "sha1"], "crc32c, md5, none"),
            (["--endpoint-url", "localhost:9000"], "http://HOST"), (["--region", "a b"], "a region"),
            (["--region", ""], "value is missing"),
            (["--storage-class", "cheap"], "STANDARD_IA"), (["--log-level", "loud"], "trace"),
            (["-o", "subtype=a b"], "a word"),
            (["s3://bucket", "/a", "--anonymous", "--profile", "x"], "--anonymous"),
            (["s3://bucket", "/a", "--passwd-file", "x", "--profile", "x"], "--passwd-file"),
            (["s3://bucket", "/a", "-o", "allow_other,allow_root"], "allow_root"),
            (["s3://bucket", "/a", "--ca-bundle", "x", "--no-verify-tls"], "--ca-bundle"),
        ] as [([String], String)])
    func refusals(_ arguments: [String], _ part: String) throws {
        let message = try #require(problem(arguments))
        #expect(message.contains(part), "\(message)")
        #expect(!message.contains("\n"))
    }

    @Test func anythingIsAnsweredWithOneLine() {
        let seed: UInt64 = 99
        var state = seed
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(limit))
        }
        let pieces = [
            "-o", "-", "--", "=", ",", "\\", "part-size", "8M", "ro", "s3://", "bucket", "/m", "\n", "\u{301}", "-f",
            "x-y", "_",
        ]
        for round in 0..<5000 {
            let arguments = (0..<random(5)).map { _ in
                (0..<random(5)).map { _ in pieces[random(pieces.count)] }.joined()
            }
            do throws(CommandError) {
                _ = try MountArguments(parsing: arguments)
            } catch {
                #expect(error.status == .usage, "seed \(seed), round \(round)")
                #expect(!error.line.contains("\n"), "seed \(seed), round \(round)")
            }
        }
    }
}

@Suite struct InvocationTests {
    private let commands: Set<String> = ["mount", "umount"]

    private func arguments(_ argv: String...) throws -> [String] { try Invocation(argv, commands: commands).arguments }

    @Test func persons() throws {
        #expect(try arguments("/usr/bin/pail", "mount", "s3://bucket", "/m") == ["mount", "s3://bucket", "/m"])
        #expect(try arguments("pail", "help", "mount") == ["mount", "--help"])
        #expect(try arguments("pail", "--version") == ["--version"])
        #expect(try arguments("pail", "mout", "s3://bucket", "/m") == ["mout", "s3://bucket", "/m"])
        #expect(try arguments("pail") == [])
    }

    @Test func libfusesHelper() throws {
        #expect(try arguments("pail", "bucket", "/m", "-o", "rw,dev") == ["mount", "bucket", "/m", "-o", "rw,dev"])
    }

    @Test func helperOfMount8() throws {
        let list = ["s3://bucket", "/m", "-sn", "-v", "-t", "fuse.pail", "-o", "rw,x"]
        let real = try Invocation(["/sbin/mount.pail"] + list, commands: commands)
        #expect(real.arguments == ["mount", "s3://bucket", "/m", "-o", "rw,x"])
        #expect(!real.isRehearsal)
        let rehearsal = try Invocation(["/sbin/mount.fuse.pail"] + list + ["-f"], commands: commands)
        #expect(rehearsal.isRehearsal)
        #expect(throws: CommandError.self) { try Invocation(["mount.pail", "a", "/m", "-N", "7"], commands: commands) }
        #expect(throws: CommandError.self) { try Invocation(["mount.pail", "a", "/m", "-Z"], commands: commands) }
        #expect(throws: CommandError.self) { try Invocation(["mount.pail", "a", "/m", "-o"], commands: commands) }
    }
}
