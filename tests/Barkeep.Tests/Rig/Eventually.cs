using System.Diagnostics;

namespace Barkeep.Tests.Rig;

/// <summary>Waits for what must become true, instead of sleeping; a deadline tells a hang, it never decides a race.</summary>
public static class Eventually
{
    /// <summary>Long enough for two busy cores; a test that passes never waits for it.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until the condition holds.</summary>
    /// <param name="what">What is awaited, for the failure's message.</param>
    public static Task IsTrueAsync(Func<Task<bool>> condition, string what, TimeSpan? within = null) =>
        GivesAsync(condition, held => held, what, within);

    /// <inheritdoc cref="IsTrueAsync(Func{Task{bool}}, string, TimeSpan?)"/>
    public static Task IsTrueAsync(Func<bool> condition, string what, TimeSpan? within = null) =>
        IsTrueAsync(() => Task.FromResult(condition()), what, within);

    /// <summary>Waits until the value is an accepted one and returns it; the failure tells the value seen last.</summary>
    /// <exception cref="TimeoutException">The deadline passed.</exception>
    public static async Task<T> GivesAsync<T>(Func<Task<T>> value, Func<T, bool> accepted, string what, TimeSpan? within = null)
    {
        var deadline = within ?? Deadline;
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var seen = await value();
            if (accepted(seen))
            {
                return seen;
            }
            if (clock.Elapsed > deadline)
            {
                throw new TimeoutException($"{what}: not within {deadline.TotalSeconds:0} s; last seen: {seen}");
            }
            await Task.Delay(Pause);
        }
    }

    /// <inheritdoc cref="GivesAsync{T}(Func{Task{T}}, Func{T, bool}, string, TimeSpan?)"/>
    public static Task<T> GivesAsync<T>(Func<T> value, Func<T, bool> accepted, string what, TimeSpan? within = null) =>
        GivesAsync(() => Task.FromResult(value()), accepted, what, within);
}
