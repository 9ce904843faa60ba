using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Fetching;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary>
/// <c>wal-restore</c> of a segment that lies at hand. The recovering server waits for each call, and to make out the command line as the other commands do takes
/// longer than to move a file. So this understands it as it is usually written, before anything else is made. It does all of the work or none, and says nothing:
/// whatever it does not understand is <see cref="WalRestoreCommand"/>'s to do or to refuse.
/// </summary>
static class WalRestoreShortcut
{
    const int MaxCount = 1000;

    /// <returns>Whether the segment is where it was wanted, and nothing is left to do.</returns>
    public static bool TryRun(string programName, string[] arguments)
    {
        if (programName is not (ProgramName.Barkeep or ProgramName.Barman) || arguments is not [WalRestoreCommand.CommandName, ..]
            || TryRead(arguments) is not var (words, root)
            || !ServerName.TryParse(words[0], out var server) || !WalFileName.TryParse(words[1], out var name) || name.Kind != WalFileKind.Segment)
        {
            return false;
        }
        var repository = Locations.From(Environment.GetEnvironmentVariable).RepositoryDirectory(server);
        try
        {
            return Directory.Exists(repository) && RecoveringServer.TryFind(Environment.CurrentDirectory) is { } recovering
                && PrefetchPlace.Of(recovering, root, repository).TryServe(name.Segment, words[2]);
        }
        catch (BarkeepException)
        {
            return false;
        }
    }

    /// <summary>The server, the file's name and its destination, and where segments are at hand if that is said; null for any other command line.</summary>
    static (string[] Words, string? Root)? TryRead(string[] arguments)
    {
        var words = new List<string>(3);
        var (partial, counted, root) = (false, false, (string?)null);
        for (var i = 1; i < arguments.Length; i++)
        {
            var (word, next) = (arguments[i], i + 1 < arguments.Length ? arguments[i + 1] : "");
            switch (word)
            {
                // An option that is said twice is a mistake; true and false after this one would be its value.
                case "-P" or "--partial" when !partial && !bool.TryParse(next, out _):
                    partial = true;
                    break;
                case "-p" or "--parallel" when !counted && int.TryParse(next, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= MaxCount:
                    counted = true;
                    i++;
                    break;
                case "--spool-dir" when root is null && IsPlain(next):
                    root = next;
                    i++;
                    break;
                case var _ when IsPlain(word):
                    words.Add(word);
                    break;
                default:
                    return null;
            }
        }
        return words.Count == 3 ? ([.. words], root) : null;
    }

    static bool IsPlain(string word) => word.Length > 0 && word[0] != '-';
}
