using Barkeep.Storage;

namespace Barkeep.Tests.Keeping;

/// <summary>
/// Lets several run at once, one operation on the store at a time: who goes on is drawn from a seed, so that a schedule that fails
/// fails again. Everything happens in one thread.
/// </summary>
sealed class Schedule(int seed)
{
    readonly List<(string Who, string What, TaskCompletionSource Turn)> _waiting = [];

    public Random Random { get; } = new(seed);

    /// <summary>Who did what, in order.</summary>
    public List<string> History { get; } = [];

    /// <summary>A store of which each operation waits for its turn.</summary>
    /// <param name="lifetime">After so many operations its user dies, as of kill -9.</param>
    public DirectoryStore Store(string who, string directory, int lifetime = int.MaxValue)
    {
        var left = lifetime;
        return new(directory) { BeforeEach = what => left-- > 0 ? WaitAsync(who, what) : throw new DeathException() };
    }

    /// <summary>Lets others go first.</summary>
    public async ValueTask WaitAsync(string who, string what)
    {
        var turn = new TaskCompletionSource();
        _waiting.Add((who, what, turn));
        await turn.Task;
    }

    /// <summary>Runs all to their end. What one fails with, other than its death, is thrown.</summary>
    public async Task RunAsync(IEnumerable<Func<Task>> all)
    {
        var running = all.Select(static one => one()).ToList();
        // Who is on keeps going for a while, in some schedules a long while: so some are far ahead of others.
        var patience = Random.NextDouble();
        var last = "";
        while (_waiting.Count > 0)
        {
            var next = _waiting.FindIndex(w => w.Who == last);
            next = next >= 0 && Random.NextDouble() < patience ? next : Random.Next(_waiting.Count);
            last = _waiting[next].Who;
            var (who, what, turn) = _waiting[next];
            _waiting.RemoveAt(next);
            History.Add($"{who}: {what}");
            turn.SetResult();
        }
        foreach (var one in running)
        {
            if (!one.IsCompleted)
            {
                throw new InvalidOperationException("one waits for something other than its turn");
            }
            try
            {
                await one;
            }
            catch (DeathException)
            {
                // As it was meant to.
            }
        }
    }

    sealed class DeathException : Exception;
}
