using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Keeping;

public sealed class CollectionScheduleTests
{
    const int Seeds = 500;

    [Fact]
    public async Task B8_backups_restores_deletions_and_collections_at_once_hurt_no_backup_and_leave_no_garbage()
    {
        // Flushing is not what is tested here.
        var root = Directory.Exists("/dev/shm") ? Directory.CreateDirectory($"/dev/shm/barkeep-schedules-{Environment.ProcessId}").FullName : RigRoot.NewDirectory("schedules");
        try
        {
            // Off the runner's synchronization context: the schedule decides who runs.
            await Task.Run(async () =>
            {
                for (var seed = 1; seed <= Seeds; seed++)
                {
                    await RunAsync(seed, Path.Combine(root, $"{seed}"));
                }
            });
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    static async Task RunAsync(int seed, string home)
    {
        var schedule = new Schedule(seed);
        using var repository = new ScheduledRepository(schedule, home);
        try
        {
            await repository.CreateAsync();
            for (var i = schedule.Random.Next(1, 6); i > 0; i--)
            {
                await schedule.RunAsync([() => repository.BackUpAsync("first")]);
            }
            await schedule.RunAsync(Enumerable.Range(1, schedule.Random.Next(3, 9)).Select(Actor).ToList());
            await repository.CheckAsync();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}: {e.Message}\n{string.Join('\n', schedule.History)}", e);
        }
        Directory.Delete(home, recursive: true);

        Func<Task> Actor(int number)
        {
            var random = schedule.Random;
            var lifetime = random.Next(3) == 0 ? random.Next(40) : int.MaxValue;
            return random.Next(9) switch
            {
                0 or 1 => () => repository.BackUpAsync($"backup {number}", lifetime),
                2 => () => repository.BackUpAsync($"backup {number}", fails: true),
                3 or 4 => () => repository.DeleteAsync($"deletion {number}", lifetime),
                5 or 6 => () => repository.CollectAsync($"collection {number}", lifetime),
                _ => () => repository.RestoreAsync($"restore {number}"),
            };
        }
    }
}
