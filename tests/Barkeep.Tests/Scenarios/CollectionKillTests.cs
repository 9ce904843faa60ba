using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Tests.Keeping;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

public sealed class CollectionKillTests
{
    [Theory]
    [InlineData("unlink")]
    [InlineData("rmdir")]
    [InlineData("renameat2")]
    public async Task B9_a_deletion_killed_at_any_call_leaves_every_kept_backup_whole_and_is_finished_by_the_next(string call)
    {
        await using var rig = new BarkeepRig();
        await File.WriteAllTextAsync(Path.Combine(rig.ConfigDirectory, "montagu.json"), """{ "host": "127.0.0.1", "port": 1, "slot_name": "barkeep_fixed" }""");
        var (made, deleted, left) = await MakeAsync(rig);
        var kills = 0;
        for (var when = 1; ; when++)
        {
            var copy = RigRoot.NewDirectory("killed");
            (await Command.RunAsync("cp", "--recursive", $"{rig.Home}/.", copy)).Checked();
            rig.Environment["BARKEEP_HOME"] = copy;
            var result = await rig.RunAsync(new Strace($"{call}:signal=KILL:when={when}"), "barman", "delete", "montagu", $"{deleted}");
            using var repository = made.At(copy);
            await repository.CheckBackupsAsync();

            // Again, as a user would, or as cron does.
            if ((await repository.ListAsync()).Contains(deleted))
            {
                Assert.NotEqual(0, result.ExitCode);
                await repository.DeleteAsync(deleted);
            }
            await repository.CheckAsync();
            Assert.Equal(left, Objects(copy));
            RigRoot.Remove(copy);
            if (result.ExitCode == 0)
            {
                break;
            }
            kills++;
        }
        made.Dispose();
        Assert.True(kills >= (call == "renameat2" ? 1 : 2), $"killed at {kills} calls of {call}");
    }

    // Backups of which the first, deleted, leaves a pack to remove, one to be written anew, and WAL.
    static async Task<(ScheduledRepository Made, BackupId Deleted, IReadOnlyList<string> Left)> MakeAsync(BarkeepRig rig)
    {
        for (var seed = 1; ; seed++)
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(rig.Home))
            {
                RigRoot.Remove(entry);
                File.Delete(entry);
            }
            var schedule = new Schedule(seed);
            var made = new ScheduledRepository(schedule, rig.Home);
            await made.CreateAsync();
            await made.ReceiveAsync();
            for (var i = 0; i < 3; i++)
            {
                await schedule.RunAsync([() => made.BackUpAsync("backup")]);
            }
            SetupFile.Write(made.Locations.SetupFile(ScheduledRepository.Server), TimeProvider.System.GetUtcNow(), new Dictionary<string, string>());

            var copy = RigRoot.NewDirectory("whole");
            (await Command.RunAsync("cp", "--recursive", $"{rig.Home}/.", copy)).Checked();
            using var repository = made.At(copy);
            var first = (await repository.ListAsync())[0];
            var result = await repository.DeleteAsync(first);
            var left = Objects(copy);
            RigRoot.Remove(copy);
            if (result is { Rewritten.Count: > 0, Removed.Count: > 0, Segments.Count: > 0 })
            {
                return (made, first, left);
            }
            made.Dispose();
        }
    }

    static IReadOnlyList<string> Objects(string home) =>
        [.. Directory.EnumerateFileSystemEntries(Path.Combine(home, "montagu/repository"), "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(home, f)).Order(StringComparer.Ordinal)];
}
