using Barkeep.Common;

namespace Barkeep.Restores;

/// <summary>
/// Whether a restored server will be able to get its WAL from the repository, as the user to whom its files are given. That shows otherwise when it is started, and for good.
/// </summary>
static class RepositoryAccess
{
    // By the group's and all others' permissions; under an access control list the group's are the most that it grants to anybody (acl(5)).
    const uint OthersEnter = 0x9;
    const uint OthersRead = 0x24;

    /// <summary>Refuses only what cannot work: where a group may enter, the user may be in it.</summary>
    /// <exception cref="BarkeepException">Storage.</exception>
    public static void Check(RestoreOptions options, RestoreSource source, Ownership ownership)
    {
        if (!options.ReadsRepository || ownership.Uid is not { } user || user == 0)
        {
            return;
        }
        var (locations, server) = (options.Locations, options.Server);
        string[] needed =
        [
            locations.RepositoryDirectory(server), locations.SpoolDirectory(server, source.Lineage.Identity.SystemId), locations.ReceiverStateFile(server),
            .. Environment.ProcessPath is { } program ? (string[])[program] : [],
        ];
        if (needed.Select(path => ClosedTo((uint)user, path)).FirstOrDefault(static closed => closed is not null) is var (closed, owner))
        {
            throw new BarkeepException(
                ErrorKind.Storage,
                $"the restored server would not get its WAL: it will run as uid {user}, to whom the files are given, and {closed} is open to uid {owner} alone",
                $"leave --get-wal out, and the WAL that is needed is put into the directory; or let uid {owner} restore and run the server; or name a --restore-command that becomes that user, such as 'sudo -u barman barman get-wal -P {server} %f > %p'");
        }
    }

    // The first on the way to a path, itself included, that its owner has kept to himself.
    static (string Path, uint Owner)? ClosedTo(uint user, string path)
    {
        var parent = Path.GetDirectoryName(path);
        if (parent is not null && ClosedTo(user, parent) is { } closed)
        {
            return closed;
        }
        return RestoreTarget.TryStatus(path) is { } status && status.Uid != user && (status.Permissions & (status.IsDirectory ? OthersEnter : OthersRead)) == 0 ? (path, status.Uid) : null;
    }
}
