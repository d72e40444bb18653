import ArgumentParser

/// All pages of the manual, made from the same declarations as the program's own help, so that they cannot differ from it.
enum Manual {
    /// The pages.
    static var pages: [ManualPage] { [program(), mount(), mountFile(), check()] }

    /// Other names of pages: the programs that mount(8) and fsck(8) call.
    static let links = [("mount.pail.8", "pail-mount.1"), ("fsck.pail.8", "pail-check.1")]

    /// Other commands than `mount` and `check`, which have pages of their own.
    private static let commands: [any ParsableCommand.Type] = [
        UnmountCommand.self, StatusCommand.self, SyncCommand.self, RefreshCommand.self, RecoverCommand.self,
        MountsCommand.self, VolumesCommand.self,
    ]

    private static func program() -> ManualPage {
        var page = ManualPage("pail", section: 1, purpose: "mount a bucket of an S3 store as a file system")
        page.heading("Synopsis")
        page.verbatim(PailCommand.configuration.usage ?? "")
        page.heading("Description")
        page.paragraph(PailCommand.configuration.discussion)
        page.paragraph("Each command has its own help: pail COMMAND --help.")
        for command in commands {
            page.heading("pail \(command.configuration.commandName ?? "")")
            page.verbatim(PailCommand.helpMessage(for: command, columns: 76))
        }
        exitStatus(&page)
        page.seeAlso(["pail-mount(1)", "pail-check(1)", "pail-mounts(5)", "fusermount3(1)"])
        return page
    }

    private static func mount() -> ManualPage {
        var page = ManualPage("pail-mount", section: 1, purpose: "mount a bucket of an S3 store")
        page.heading("Synopsis")
        page.verbatim(
            """
            pail mount s3://BUCKET[/PREFIX] MOUNTPOINT [options]
            pail mount NAME [options]
            mount -t pail -o OPTION,... s3://BUCKET[/PREFIX] MOUNTPOINT
            """)
        page.heading("Description")
        page.paragraph(
            "Returns once the mount answers, with 0, or with a line that says what is wrong. Every option may also stand in a list: "
                + "-o part_size=16MiB,ro,allow_other.")
        page.paragraph(
            "SIZE is a number with K, M, G, T or KiB (powers of 1,024), or KB (of 1,000). TIME is a number with ms, s, m or h; alone it "
                + "is in seconds. Keys come from the environment, AWS's shared files or s3fs's password files.")
        page.paragraph("NAME is that of a file: see pail-mounts(5).")
        for group in MountOptionTable.groups {
            page.heading(group.title)
            for option in group.options { page.item(MountHelp.terms(option), MountHelp.explanation(option)) }
        }
        page.heading("In fstab")
        page.verbatim(
            """
            s3://BUCKET  /mnt/bucket  pail  _netdev,nofail,allow_other  0 0
            s3://BUCKET  /mnt/bucket  pail  _netdev,noauto,x-systemd.automount,allow_other  0 0
            """)
        exitStatus(&page)
        page.seeAlso(["pail(1)", "pail-mounts(5)", "pail-check(1)", "mount(8)", "fstab(5)"])
        return page
    }

    private static func mountFile() -> ManualPage {
        var page = ManualPage("pail-mounts", section: 5, purpose: "mounts that have a name")
        page.heading("Synopsis")
        page.verbatim("/etc/pail/mounts.d/NAME.conf")
        page.heading("Description")
        page.paragraph(
            "One file for each mount, for \"pail mount NAME\" and the unit pail@NAME.service: lines of KEY = VALUE. Empty lines and lines "
                + "that begin with # are passed over. A value is what stands there: no quotes, no comments behind it.")
        page.item("source = s3://BUCKET[/PREFIX]", "What to mount.")
        page.item("mount-point = DIR", "Where: an absolute path.")
        page.item(
            "OPTION = VALUE",
            "Any option of pail-mount(1) by its long name. One that takes no value is \"yes\" or \"no\".")
        page.paragraph(
            "Options of the command line count before the file's. A user's own files lie in $XDG_CONFIG_HOME/pail/mounts.d or "
                + "~/.config/pail/mounts.d. Nobody but the owner may be able to write the file. Keys do not belong in it: name a file by "
                + "passwd-file, or put them into NAME.env beside it, which the unit reads.")
        page.heading("Example")
        page.verbatim(
            """
            source = s3://artifacts/releases
            mount-point = /srv/artifacts
            endpoint-url = https://store.example.org
            passwd-file = /etc/pail/artifacts.keys
            allow_other = yes
            """)
        page.seeAlso(["pail-mount(1)", "pail(1)", "systemd.service(5)"])
        return page
    }

    private static func check() -> ManualPage {
        var page = ManualPage("pail-check", section: 1, purpose: "check a bucket, and mend what it is told to")
        page.heading("Description")
        page.verbatim(CheckRequest.help)
        page.seeAlso(["pail(1)", "pail-mount(1)", "fsck(8)"])
        return page
    }

    private static func exitStatus(_ page: inout ManualPage) {
        page.heading("Exit status")
        for status in ExitStatus.allCases {
            page.item("\(status.rawValue)", status.meaning.filter { $0 != "`" })
        }
    }
}
